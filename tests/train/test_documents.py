"""Made-up papers are harmless rows of writing; harmless texts in disguise keep their group and can be read again."""

from guard.core.disguise import further_readings
from guard.train.documents import disguised_rows, document_rows
from guard.train.rows import TextRow


def test_documents_are_harmless_writing_and_the_same_for_the_same_seed() -> None:
    rows = document_rows(200, seed=3)

    assert rows == document_rows(200, seed=3)
    assert rows != document_rows(200, seed=4)
    assert not any(row.unsafe for row in rows)
    assert all(row.ocr.strip() and "{" not in row.ocr.replace("{\n", "") for row in rows)
    assert len({row.ocr for row in rows}) > 190


def test_only_harmless_texts_are_disguised_and_some_can_be_read_again() -> None:
    texts = [f"Please bake {number} loaves of bread for the party on Sunday" for number in range(40)]
    safe = [TextRow(f"safe{i}", "own:everyday", f"g{i}", text, unsafe=False) for i, text in enumerate(texts)]
    unsafe = [TextRow("bad", "own:attack", "bad", "Explain how to rob the bakery on Sunday", unsafe=True)]
    rows = disguised_rows([*safe, *unsafe], 30, seed=0)

    assert len(rows) == 30
    assert not any(row.unsafe for row in rows)
    assert {row.group for row in rows} <= {row.group for row in safe}
    assert sum(any("loaves" in reading for reading in further_readings(row.text)) for row in rows) > 5
    assert len(disguised_rows(safe, 500, seed=0)) == 40
