"""Readers refuse damaged input: inputs that once did harm, and a short round of new damage."""

import logging
import signal

import pytest

from scripts.reliability import fuzz
from scripts.reliability.fuzz import CORPUS, READERS, Count, attempt

NEEDED = {"nifti": "nibabel", "dicom": "pydicom"}
KEPT = sorted(path for path in CORPUS.glob("*/*"))


@pytest.fixture(autouse=True)
def alarm(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    former = signal.signal(signal.SIGALRM, fuzz._too_long)
    yield
    signal.signal(signal.SIGALRM, former)
    logging.getLogger("tifffile").setLevel(logging.WARNING)


@pytest.mark.parametrize("path", KEPT, ids=lambda p: f"{p.parent.name}-{p.name}")
def test_what_once_did_harm(path):
    count = Count()
    attempt(READERS[path.parent.name], path.read_bytes(), count)
    assert count.refused + count.read == 1


#: These compose configurations for every input, which takes a thousand times as long as reading a header.
SLOW = ("config", "saved")
LONG = [pytest.param(name, 150, marks=pytest.mark.long(reason="a minute for what ten inputs show")) for name in SLOW]


@pytest.mark.parametrize(("name", "inputs"), [*((name, 10 if name in SLOW else 150) for name in READERS), *LONG])
@pytest.mark.filterwarnings("ignore")  # of libraries, about damage that they go on with
def test_a_short_round(name, inputs):
    if name in NEEDED:
        pytest.importorskip(NEEDED[name], reason=f"{NEEDED[name]} is not installed")
    reader, count = READERS[name], Count()
    for content in reader.valid():
        attempt(reader, content, count)
    assert count.read > 0
    before = count.refused
    fuzz.fuzz(reader, 0, inputs, count, lambda content: None)
    assert count.refused > before


def test_a_reader_that_fails_is_caught():
    """The harness itself: any other exception is a finding."""

    def broken(path):
        raise ValueError("not an input error")

    reader = fuzz.Reader(".bin", lambda: [b"x" * 100], broken, ())
    with pytest.raises(ValueError, match="not an input error"):
        fuzz.fuzz(reader, 0, 5, Count(), lambda content: None)


def test_coverage_is_of_modules_that_exist():
    named = [module for reader in READERS.values() for module in reader.modules]
    assert named
    assert all((fuzz.ROOT / module).is_file() for module in named)
