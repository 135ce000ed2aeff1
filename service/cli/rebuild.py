"""`radiolith rebuild-index`: the index again, from objects, journal and keyring alone."""

from __future__ import annotations

import typer

from service.cli.options import Json, home_path, prepare
from service.cli.output import errors, print_facts, print_json, progress
from service.errors import EXIT_FAULTS_FOUND, EXIT_OK


def rebuild_index(context: typer.Context, json: Json = False) -> int:
    """Rebuild the index while nothing serves the archive; the old one is kept beside it."""
    from service.upkeep.rebuild import rebuild_index as rebuild

    prepare()
    with progress("rebuilding", quiet=json) as show:
        rebuilt = rebuild(home_path(context), None, show)
    for fault in rebuilt.faults:
        errors.print(f"{fault.name}: {fault.kind}: {fault.detail}", markup=False)
    if json:
        print_json(rebuilt)
    else:
        print_facts(
            {
                "from the replica": rebuilt.refilled.objects,
                "objects": rebuilt.objects,
                "journal entries": rebuilt.entries,
                "quarantined": rebuilt.quarantined,
                "revisions renumbered": rebuilt.renumbered,
                "not indexed": len(rebuilt.faults),
                "nodes and trail": "kept" if rebuilt.carried else "not in what was rebuilt from",
                "old index": rebuilt.kept,
            }
        )
    return EXIT_FAULTS_FOUND if rebuilt.faults else EXIT_OK
