from pathlib import Path

import pytest

from service.cli import docs
from service.cli.docs_tables import DOCUMENTS
from service.domain.postings import POSTINGS
from service.domain.states.milestone import MILESTONE


def test_every_line_of_the_tables_is_in_the_documents() -> None:
    states, postings = DOCUMENTS["states.md"](), DOCUMENTS["postings.md"]()

    for (state, event), edge in MILESTONE.edges.items():
        assert f"| {state} | {event} | {edge.to} |" in states
    for kind in POSTINGS:
        assert f"| `{kind}` |" in postings


def test_refusals_have_the_status_that_callers_get() -> None:
    refusals = DOCUMENTS["refusals.md"]()

    assert "| `STALE_ETAG` | ABORTED |" in refusals
    assert "| `BUSY` | ABORTED | 0.1 s |" in refusals
    assert "UNKNOWN" not in refusals


def test_a_drift_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "docs" / "generated"
    monkeypatch.setattr(docs, "FOLDER", folder)
    docs.docs(check=False)
    docs.docs(check=True)

    (folder / "policy.md").write_text("something else")

    with pytest.raises(docs.DocsDiffer, match=r"\(policy\.md\): run `make docs`"):
        docs.docs(check=True)
