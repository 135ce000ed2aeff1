"""Objects for stores: any bytes will do."""

from service.store import ObjectStore

ID = bytes(range(16))


def put(store: ObjectStore, object_id: bytes, content: bytes) -> None:
    """Publish an object."""
    with store.draft(object_id) as draft:
        draft.file.write(content)
        draft.publish()
