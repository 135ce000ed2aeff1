"""From the settings to how this Application Entity behaves on the network."""

from __future__ import annotations

from config.settings import Settings
from dicom.association import Timeouts
from dicom.server import ServerOptions
from service import tls


def server_options(settings: Settings) -> ServerOptions:
    """Translate the settings; a timeout of 0 s means to wait for ever.

    Raises:
        SettingsError: the files of TLS cannot be used.
    """
    return ServerOptions(
        ae_title=settings.service.ae_title,
        check_called_ae=settings.service.check_called_ae,
        max_pdu=settings.receive.max_pdu_bytes,
        max_associations=settings.service.max_associations,
        max_associations_per_peer=settings.service.max_associations_per_peer,
        max_half_open=settings.service.max_half_open,
        timeouts=Timeouts(
            connect=settings.retrieve.connect_timeout_s or None,
            acse=settings.receive.acse_timeout_s or None,
            dimse=settings.receive.dimse_timeout_s or None,
            idle=settings.receive.network_timeout_s or None,
            min_rate=settings.receive.min_bytes_per_s,
        ),
        grace_s=settings.service.shutdown_grace_s,
        prefetch=settings.retrieve.prefetch,
        security=tls.security(settings),
    )
