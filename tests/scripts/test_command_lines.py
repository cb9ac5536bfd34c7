"""Command lines of the scripts: help, one line for every mistake, lists as CSV, and the Makefile's variables."""

import csv
import importlib
import json
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest

from scripts import tables
from scripts.common import status

ROOT = Path(__file__).resolve().parents[2]
VERBS = {
    "tables": ("run", "missing", "build", "check", "choose", "rehash"),
    "runs": ("list", "compare", "report", "sync", "tidy"),
    "data": ("describe", "convert", "wavelet", "generate"),
    "export": (),
    "unet": (),
    "keep_demo": (),
    "pages": (),
    "benchmarks.attack": (),
    "benchmarks.bench": (),
    "benchmarks.paper_scale": (),
    "benchmarks.peers": (),
    "benchmarks.scaling": (),
    "reliability.faults": (),
    "reliability.fuzz": (),
    "theory.run": (),
}


def script(name: str, *arguments: str) -> int:
    """Exit code of a script, run in this process."""
    main = importlib.import_module(f"scripts.{name}").main
    try:
        return status(lambda: main(list(arguments)))
    except SystemExit as end:  # how argparse ends after --help
        return end.code


def test_every_script_is_listed_here():
    programs = {
        ".".join(path.relative_to(ROOT / "scripts").with_suffix("").parts)
        for path in (ROOT / "scripts").rglob("*.py")
        if "__main__" in path.read_text()
    }
    assert programs == set(VERBS)


@pytest.mark.parametrize("name", VERBS)
def test_help_names_the_verbs_and_options(name, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    assert script(name, "--help") == 0
    shown = capsys.readouterr().out
    assert importlib.import_module(f"scripts.{name}").__doc__.splitlines()[0] in shown
    assert all(f"\n    {verb} " in shown for verb in VERBS[name])
    for verb in VERBS[name]:
        assert script(name, verb, "--help") == 0
        assert f"{name}.py {verb}" in capsys.readouterr().out


@pytest.mark.parametrize("name", VERBS)
def test_an_unknown_option_and_a_missing_argument_are_one_line(name, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    given = {"compare": ["a", "b"], "describe": ["a"], "convert": ["a", "b"], "generate": ["phantom"]}
    given |= {"check": ["a"], "unet": ["a"], "keep_demo": ["a"], "pages": ["a"], "benchmarks.attack": ["a"]}
    for verb in VERBS[name] or ("",):
        before = [verb] if verb else []
        assert script(name, *before, *given.get(verb or name, ()), "--colour", "blue") == 2
        err = capsys.readouterr().err
        assert err.startswith("error: unknown option --colour, python ")
        assert err.count("\n") == 1
        if verb in given or name in given:
            assert script(name, *before) == 2
            err = capsys.readouterr().err
            assert err.startswith("error: the following arguments are required: ")
            assert err.count("\n") == 1
    if VERBS[name]:
        assert script(name, "nothing") == 2
        assert f"there is no 'nothing', python scripts/{name}.py VERB: choose of {VERBS[name][0]}, " in (
            capsys.readouterr().err
        )
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (
            "reliability.faults --kils 3",
            "unknown option --kils, python -m scripts.reliability.faults --kils: did you mean",
        ),
        (
            "reliability.faults kills=3",
            "unknown option kills, python -m scripts.reliability.faults kills=3: did you mean ",
        ),
        ("reliability.faults --kills many", "'many' is not a whole number, --kills: give a whole number from 1"),
        ("reliability.faults --folder .", "'.' holds other files, --folder: give a new folder"),
        ("reliability.fuzz --minutes soon", "'soon' is not a number, --minutes: give a number above 0"),
        ("reliability.fuzz --minutes nan", "nan is out of range, --minutes: give a number above 0"),
        ("reliability.fuzz --readers pdf", "there is no 'pdf', --readers: choose of hdf5, "),
        ("benchmarks.bench --quick=maybe", "ignored explicit argument 'maybe', --quick: see "),
        ("benchmarks.peers --threads two", "'two' are no whole numbers, --threads: write 0,1,2"),
        ("benchmarks.peers --threads 0", "there are no runs on 0 threads, --threads: give numbers from 1"),
        ("benchmarks.scaling --repeats 0", "0 is out of range, --repeats: give a whole number from 1"),
        ("unet a/b.pt", "no such folder, a: make it first"),
        ("keep_demo nowhere", "no run.json, nowhere: give a run directory"),
        (
            "runs list --colour blue",
            "unknown option --colour, python scripts/runs.py list --colour: choose of --help, --task",
        ),
        ("runs tidy strategy=mse", "there is no folder 'strategy=mse', FOLDER: filters are options: --strategy mse"),
        ("runs tidy . --yes a=b", "there is no folder 'a=b', FOLDER: filters are options: --a b"),
        ("runs list -x", "unknown option -x, python scripts/runs.py list -x: choose of --help, "),
        ("data describe . --max-gib 0", "0 is out of range, --max-gib: give a number above 0"),
        ("data generate film", "film is not generated, generate: choose phantom, "),
        ("tables run --jobs=-1", "-1 is out of range, --jobs: give a whole number from 1"),
        ("tables check nosuch", "no such row, nosuch: "),
    ],
)
def test_a_mistake_is_told_with_how_to_mend_it(line, told, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_text("kept")
    name, *arguments = line.split()
    assert script(name, *arguments) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"error: {told}")
    assert err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_folders_and_settings_may_stand_behind_an_option(tmp_path, monkeypatch):
    from scripts import runs, unet

    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    assert runs.parser().parse_args(["list", "a", "--seed", "0", "b"]).folders == [Path("a"), Path("b")]
    options = unet.parser().parse_args(["unet.pt", "--seconds", "1", "seed=1", "dataset.size=32"])
    assert (options.seconds, options.overrides) == (1.0, ["seed=1", "dataset.size=32"])
    assert runs.parser().parse_args(["list", "--", "a"]).folders == [Path("a")]


def test_help_needs_no_torch():
    """What is asked often answers at once."""
    program = """import sys
from scripts import data, keep_demo, runs, tables
from scripts.benchmarks import scaling
from scripts.reliability import faults, fuzz
for module in (data, keep_demo, runs, tables, scaling, faults, fuzz):
    module.parser().format_help()
print("torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_an_unfinished_demo_is_not_kept(tmp_path, capsys):
    (tmp_path / "run.json").write_text("{}")
    assert script("keep_demo", str(tmp_path)) == 2
    assert "no evaluation with figures" in capsys.readouterr().err


def test_the_demo_s_table_is_markdown():
    from scripts.keep_demo import table

    def entry(psnr):
        numbers = {"psnr": psnr, "ssim": 0.5, "delta_norm": 0.1, "y_norm": 2.0}
        return {name: {"mean": mean, "std": 0.25, "n_volumes": 3, "n_samples": 4} for name, mean in numbers.items()}

    assert table({"network": {"clean": entry(22.0)}, "x0": {"clean": entry(19.5)}}).splitlines() == [
        "| condition | ‖δ‖/‖y‖ | x0 PSNR (dB) / SSIM | network PSNR (dB) / SSIM | gain (dB) |",
        "|---|---|---|---|---|",
        "| clean | 0.050 | 19.50 ± 0.25 / 0.500 | 22.00 ± 0.25 / 0.500 | +2.50 |",
        "",
        "Mean ± standard deviation over 3 volumes (4 slices).",
    ]


def test_files_are_described_as_csv(tmp_path, monkeypatch, capsys):
    (tmp_path / "=bad.h5").write_bytes(b"x")
    (tmp_path / "notes.md").write_text("x")
    monkeypatch.chdir(tmp_path)
    assert script("data", "describe", ".", "--csv") == 5
    rows = {row["path"]: row for row in csv.DictReader(StringIO(capsys.readouterr().out))}
    assert set(rows) == {"'=bad.h5", "notes.md"}
    assert rows["notes.md"]["kind"] == "other"
    assert rows["'=bad.h5"]["problem"].startswith("the file is not an HDF5 file")


def made(*variables: str) -> list[list[str]]:
    """What `make` would start for the tables."""
    command = ["make", "-n", "--no-print-directory", "tables", "reproduce-tables", *variables]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    lines = done.stdout.replace("\\\n", " ").splitlines()
    return [line.split("scripts/tables.py", 1)[1].split() for line in lines if "scripts/tables.py" in line]


def test_the_makefile_s_variables_are_options():
    build, run = (tables.parser().parse_args(words) for words in made())
    assert (build.verb, build.scale, build.seeds) == ("build", "small", None)
    assert (run.verb, run.tasks, run.parts) == ("run", ("mri", "seismic"), ("tables", "curves", "audits"))
    assert (run.seeds, run.jobs, run.launcher) == (None, None, None)
    given = made("SCALE=smoke", "SEEDS=0,2", "TASKS=mri", "PARTS=levels", "JOBS=3", "LAUNCHER=joblib n_jobs=4")
    build, run = (tables.parser().parse_args(words) for words in given)
    assert (build.scale, build.seeds) == ("smoke", (0, 2))
    assert (run.scale, run.seeds, run.tasks, run.parts) == ("smoke", (0, 2), ("mri",), ("levels",))
    assert (run.jobs, run.launcher) == (3, ["joblib", "n_jobs=4"])


def test_missing_runs_are_listed_as_csv(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    given = ["missing", "--scale", "smoke", "--tasks", "denoising", "--parts", "tables,audits"]
    assert status(lambda: tables.main(given)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert status(lambda: tables.main([*given, "--csv"])) == 0
    rows = list(csv.DictReader(StringIO(capsys.readouterr().out)))
    assert lines[-1] == f"{len(rows)} of {len(rows)} runs are missing"
    assert {(row["experiment"], row["mode"]) for row in rows} == {
        ("table_denoising", "train"),
        ("audit_light", "audit"),
    }
    assert all("seed=0" in row["settings"].split() for row in rows)
    assert not any(tmp_path.iterdir())


def recorded(name: str) -> dict:
    return json.loads((ROOT / "results" / name).read_text())


def test_committed_documents_are_what_the_records_say():
    from scripts.benchmarks import cost_model, performance
    from scripts.theory import run

    for document, text in (
        ("performance.md", performance.document(ROOT / "results")),
        ("scaling.md", cost_model.markdown(recorded("performance/scaling.json"))),
        ("theory/README.md", run.document(recorded("theory/theory.json"))),
    ):
        assert (ROOT / "results" / document).read_text() == text, document


def test_a_step_s_memory_is_measured():
    from scripts.benchmarks.bench import step_memory

    assert step_memory(16, 1, 2, 4, checkpointing=False) >= 0


def test_options_reach_the_instruments_and_the_record_names_the_command(tmp_path, monkeypatch, capsys):
    from scripts.benchmarks import bench, scaling
    from scripts.reliability import faults, fuzz
    from scripts.theory import run

    given: dict = {}

    def returns(name, value):
        return lambda *values, **more: given.update({name: (*values, more)}) or value

    monkeypatch.chdir(tmp_path)
    for module, name in ((bench, "bench"), (scaling, "scaling")):
        monkeypatch.setattr(module, "measure", returns(name, recorded(f"performance/{name}.json")))
    monkeypatch.setattr(faults, "campaign", returns("faults", faults.Tally()))
    monkeypatch.setattr(fuzz, "campaign", returns("fuzz", recorded("reliability/fuzz.json")["readers"]["npz"]))
    monkeypatch.setattr(run, "laboratory", returns("run", None))
    assert script("benchmarks.bench", "--repeats", "2", "--quick") == 0
    assert script("benchmarks.scaling", "--quick") == 0
    assert not any(tmp_path.iterdir())
    assert script("benchmarks.bench") == script("benchmarks.scaling") == 0
    assert script("reliability.faults", "--kills", "4", "--folder", "there") == 0
    assert script("reliability.fuzz", "--readers", "npz", "--minutes", "0.5", "--seed", "3") == 0
    assert script("theory.run", "--output", "there") == 0
    capsys.readouterr()
    assert given == {
        "bench": (5, False, {}), "scaling": (3, False, {}), "run": (Path("there"), {}),
        "faults": ({"kills": 4, "seed": 0, "epochs": 12, "folder": Path("there")},), "fuzz": ("npz", 0.5, 3, {}),
    }  # fmt: skip
    for path, command in (
        ("performance/bench", "benchmarks.bench"), ("performance/scaling", "benchmarks.scaling"),
        ("reliability/faults", "reliability.faults --kills 4 --folder there"),
        ("reliability/fuzz", "reliability.fuzz --readers npz --minutes 0.5 --seed 3"),
    ):  # fmt: skip
        record = json.loads((tmp_path / "results" / f"{path}.json").read_text())
        assert record["command"] == f"python -m scripts.{command}"
