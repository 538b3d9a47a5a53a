"""The steps that every protocol takes with an upload."""

from dataclasses import dataclass

from services.ingest.handlers.upload_completer import UploadCompleter
from services.ingest.handlers.upload_ender import UploadEnder
from services.ingest.handlers.upload_finisher import UploadFinisher
from services.ingest.handlers.upload_slots import UploadSlots
from services.ingest.handlers.upload_starter import UploadStarter
from services.ingest.handlers.upload_writers import UploadWriters


@dataclass(frozen=True)
class UploadSteps:
    """Get a slot, start, write, then complete or end; finish what others left whole."""

    slots: UploadSlots
    starter: UploadStarter
    writers: UploadWriters
    completer: UploadCompleter
    ender: UploadEnder
    finisher: UploadFinisher
