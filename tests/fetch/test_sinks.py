"""The folder takes a document whatever its sender has called it."""

import pytest

from relay.fetch.sinks import FolderSink, Offer, file_of
from relay.policy.company import FastInput
from relay.policy.invoice.facts import Kind
from relay.policy.upload import Verdict


@pytest.mark.parametrize("letter", ["a", "é", "請", "𠀀"])
async def test_a_long_name_in_any_script_keeps_no_document_out(tmp_path, letter):
    main = file_of(letter * 200 + ".pdf", Kind.PDF, b"%PDF-1.7")
    beside = file_of(letter * 200, Kind.XML, b"<Invoice/>")
    sink = FolderSink(tmp_path)
    offer = Offer("own", FastInput(), "0" * 64, main, beside)
    verdicts = [(await sink.take(offer)).verdict for _ in range(2)]
    assert verdicts == [Verdict.TAKEN, Verdict.KNOWN]
    names = {path.name for path in (tmp_path / "own").iterdir()}
    assert names == {f"{'0' * 16}-{file.name}" for file in (main, beside)}
    assert all(letter in name for name in names)
