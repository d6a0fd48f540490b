"""What people can do on the Event page: add a flag to the time line, and remove one."""

from __future__ import annotations

from collections.abc import Mapping

from app.dashboard.actions import Action, Fields, text
from app.dashboard.markup import notice
from app.service import Service
from app.services.annotations import AnnotationDraft

_DRAFTED = ("at", "until", "kind", "text", "times")


def actions(service: Service) -> Mapping[str, Action]:
    """The actions of the Event page by name."""

    def annotate(fields: Fields) -> str:
        given = {name: text(fields, name).strip() for name in _DRAFTED}
        draft = AnnotationDraft.model_validate({name: value for name, value in given.items() if value})
        service.annotations.add(text(fields, "event"), draft)
        return notice("calm", "Added.", "")

    def unannotate(fields: Fields) -> str:
        service.annotations.delete(text(fields, "event"), text(fields, "id"))
        return notice("calm", "Removed.", "")

    return {"annotate": annotate, "unannotate": unannotate}
