from __future__ import annotations

from typing import Any

import pytest

from app.core.errors import InvalidInput
from app.dashboard.actions import Actions, Fields, several, text, whole
from app.dashboard.event_actions import actions
from tests.dashboard.rig import EVENT, Rig

AT = "2026-11-23T11:00:00Z"


def annotate(rig: Rig, **fields: str) -> dict[str, Any]:
    given = {"event": EVENT.id, "at": AT, "text": "Our statement", "kind": "statement"} | fields
    return Actions(actions(rig.service)).act(["annotate", given])


@pytest.mark.parametrize("request_", [None, 7, [], ["annotate"], ["unknown", {}], [["a"], {}], "ab"])
def test_what_is_no_action_does_nothing(request_: object) -> None:
    assert Actions({}).act(request_)["ok"] is False


def test_fields_that_are_no_fields_are_empty() -> None:
    seen: list[Fields] = []

    def note(fields: Fields) -> str:
        seen.append(fields)
        return ""

    assert Actions({"note": note}).act(["note", "text"])["ok"]
    assert seen == [{}]


def test_a_flag_is_added_and_removed(rig: Rig) -> None:
    rig.watch()
    assert annotate(rig, until="", times="")["ok"]
    (note,) = rig.service.annotations.find(EVENT.id)
    assert (note.text, note.kind) == ("Our statement", "statement")
    done = Actions(actions(rig.service)).act(["unannotate", {"event": EVENT.id, "id": note.id}])
    assert done["ok"]
    assert rig.service.annotations.find(EVENT.id) == ()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"at": "soon"}, "At:"),
        ({"at": ""}, "At:"),
        ({"text": "  "}, "Text:"),
        ({"kind": "system"}, "Kind:"),
        ({"times": "3"}, "Times:"),
        ({"until": "2026-11-23T10:00:00Z"}, "Until:"),
        ({"event": "<b>gone"}, "&lt;b&gt;gone"),
    ],
)
def test_a_refusal_names_the_field(rig: Rig, wrong: dict[str, str], said: str) -> None:
    rig.watch()
    done = annotate(rig, **wrong)
    assert done["ok"] is False
    assert said in done["html"]
    assert "<b>" not in done["html"]


def test_fields_are_read_as_what_they_should_be() -> None:
    fields = {"one": "a", "many": ["a", 7, "b"], "number": "12"}
    assert (text(fields, "one"), text(fields, "many"), text(fields, "none")) == ("a", "", "")
    assert (several(fields, "many"), several(fields, "one")) == (["a", "b"], ["a"])
    assert whole(fields, "number") == 12
    with pytest.raises(InvalidInput):
        whole(fields, "one")
