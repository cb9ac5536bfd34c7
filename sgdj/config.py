"""From the command line to a checked configuration, without importing torch.

Every mistake of a job is collected and told in one line each: Hydra composes, the dataclasses of `sgdj.schema` check
types and ranges, and `sgdj.consistency` what no single value can show.
"""

import dataclasses
import hashlib
import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType, ValueType
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import TypeAdapter, ValidationError
from safetensors import safe_open

from sgdj.consistency import inconsistencies
from sgdj.errors import InputError, InputErrors
from sgdj.nodes import get, leaves, nearest
from sgdj.schema import TARGETS, Root

RESULT_VERSION = 1  # raised when a change of the program changes its numbers
CONF = Path(__file__).resolve().parent / "conf"  # a link to conf/ in a checkout, a copy in an installed package
GROUPS = tuple(sorted(str(p.relative_to(CONF)) for p in CONF.rglob("*") if p.is_dir() and any(p.glob("*.yaml"))))

#: Values that change where and how fast a run happens, not what comes out; they are left out of its identity.
_NO_IDENTITY = (
    "device", "output_dir", "run_dir", "resume", "force", "plugins", "checkpoint", "input", "output", "logger",
    "evaluation.panels", "audit",
    "dataset.directory", "dataset.cache_gib", "dataset.root", "dataset.path",
    "architecture.checkpointing", "trainer.workers", "trainer.threads", "trainer.devices", "trainer.keep",
)  # fmt: skip

_PLAIN_ATTACK: dict[str, Any] = {"norm": "l2", "goal": "squared_error", "average": 1}

#: Keys younger than the result version, with the value that means what was done before they existed. At that value
#: they do not count towards a run's identity, and configurations without them are read as having it.
YOUNGER: dict[str, Any] = {
    "reconstructor": None,
    "operator.noise_support": "measured",
    "operator.phase": 0.0,
    "architecture.noise_step": "step",
    "architecture.checkpointing": False,
    "strategy.support": "measured",
    "strategy.validation": False,
    "trainer.deterministic": False,
    "strategy.attack.keep": "best",
    "strategy.attack.support": "measured",
    "attack.keep": "best",
    "attack.support": "measured",
    **{f"{node}.{key}": value for node in ("attack", "strategy.attack") for key, value in _PLAIN_ATTACK.items()},
    "evaluation.split": "test",
    "evaluation.iterations": [],
    "evaluation.shift_levels": {},
    "evaluation.sweep": "independent",
    "evaluation.part": "magnitude",
    "evaluation.clamp01_prediction": False,
    "evaluation.drop_last": False,
    "evaluation.fresh_noise": "none",
}


@dataclass
class Job:
    """One checked run.

    Parameters
    ----------
    config
        Resolved configuration in plain types.
    overrides
        What reproduces it on the command line.
    notes
        What the user should know, such as an ignored sigma.
    """

    config: dict[str, Any]
    overrides: list[str]
    notes: list[str] = field(default_factory=list)

    @property
    def experiment(self) -> str | None:
        """Name of the experiment, if one was asked for."""
        named = [o.lstrip("+") for o in self.overrides if o.lstrip("+").startswith("experiment=")]
        return named[-1].removeprefix("experiment=") if named else None


def config_options(group: str) -> list[str]:
    """Names of a group's options."""
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def parse(overrides: Sequence[str]) -> list[Override]:
    """Parse command-line overrides.

    Raises
    ------
    InputErrors
        Naming every one that is not KEY=VALUE.
    """
    parser, parsed, mistakes = OverridesParser.create(), [], []
    for text in overrides:
        try:
            (override,) = parser.parse_overrides([text])
            if override.type == OverrideType.DEL:
                raise InputError("keys cannot be removed", f"command line: {text}", "set a value with KEY=VALUE")
            parsed.append(override)
        except InputError as error:
            mistakes.append(error)
        except (HydraException, OmegaConfBaseException):
            mistakes.append(InputError("this is not KEY=VALUE", f"command line: {text}", "see --help"))
    if mistakes:
        raise InputErrors(mistakes)
    return parsed


def swept(overrides: Sequence[Override]) -> list[Override]:
    """Overrides of a sweep, after those that an experiment sweeps by itself (``hydra.sweeper.params``)."""
    given = {o.key_or_group: o for o in overrides}
    experiment = given["experiment"].value() if "experiment" in given else None
    if not isinstance(experiment, str) or experiment not in config_options("experiment"):
        return list(overrides)
    params = OmegaConf.select(OmegaConf.load(CONF / "experiment" / f"{experiment}.yaml"), "hydra.sweeper.params") or {}
    own = [f"{key}={value}" for key, value in params.items() if key not in given]
    return [*OverridesParser.create().parse_overrides(own), *overrides]


def expand(overrides: Sequence[Override]) -> list[list[Override]]:
    """The jobs of a sweep: the product of all comma-separated values."""
    parser = OverridesParser.create()
    choices = []
    for override in swept(overrides):
        if override.is_sweep_override():
            key = override.get_key_element()
            choices.append(parser.parse_overrides([f"{key}={v}" for v in override.sweep_string_iterator()]))
        else:
            choices.append([override])
    return [list(job) for job in itertools.product(*choices)]


def _check_groups(overrides: Sequence[Override]) -> tuple[list[str], list[InputError]]:
    """Overrides that Hydra can compose, values forced in so that the schema finds unknown keys; and mistakes."""
    accepted, mistakes = [], []
    for override in overrides:
        key, value = override.key_or_group, override.value()
        if override.value_type in (ValueType.CHOICE_SWEEP, ValueType.RANGE_SWEEP, ValueType.SIMPLE_CHOICE_SWEEP):
            mistakes.append(InputError("several values", f"command line: {key}", "add -m to run all of them"))
        elif key in GROUPS and isinstance(value, str | list):
            options = config_options(key)
            unknown = [v for v in (value if isinstance(value, list) else [value]) if v not in options]
            for name in unknown:
                hint = nearest(str(name), options)
                mistakes.append(InputError(f"no option {name or '(empty)'}", f"command line: {key}", hint))
            if not unknown:
                line = (override.input_line or "").lstrip("+")
                accepted.append(f"+{line}" if key == "experiment" else line)
        elif key in GROUPS:
            mistakes.append(InputError(f"no option {value}", f"command line: {key}", nearest("", config_options(key))))
        elif key.startswith("hydra"):
            accepted.append(override.input_line or "")
        else:
            accepted.append(f"++{key}={override.get_value_element_as_str()}")
    for node in ("attack", "strategy.attack"):  # naming one budget withdraws the other
        given = {o.key_or_group for o in overrides}
        for one, other in (("epsilon", "rho"), ("rho", "epsilon")):
            if f"{node}.{one}" in given and f"{node}.{other}" not in given:
                accepted.append(f"++{node}.{other}=null")
    return [a for a in accepted if a], mistakes


def _compose(overrides: list[str]) -> dict[str, Any]:
    outer = GlobalHydra.instance().hydra  # of the sweep whose job this may be
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            config = compose("config", overrides)
        container = OmegaConf.to_container(config, resolve=True)
    except (HydraException, OmegaConfBaseException) as error:
        line = " ".join(str(error).split())
        raise InputError(
            f"the configuration cannot be composed ({line[:160]})", "command line", "see --help"
        ) from error
    finally:
        GlobalHydra.instance().hydra = outer
    assert isinstance(container, dict)
    return {str(key): value for key, value in container.items()}


_MESSAGES = {
    "greater_than": ("must be above {gt}", "raise it"),
    "greater_than_equal": ("must be at least {ge}", "raise it"),
    "less_than": ("must be below {lt}", "lower it"),
    "less_than_equal": ("must be at most {le}", "lower it"),
    "finite_number": ("must be finite", "give a number"),
    "int_type": ("must be a whole number", "give one"),
    "int_from_float": ("must be a whole number", "give one"),
    "float_type": ("must be a number", "give one"),
    "bool_type": ("must be true or false", "give one of them"),
    "string_type": ("must be text", "quote it"),
    "string_too_short": ("is empty", "give a value"),
    "literal_error": ("must be {expected}", "choose one"),
    "dict_type": ("must be a group of settings", "choose an option of the group"),
    "list_type": ("must be a list", "write [a, b]"),
    "too_short": ("has too few entries", "give at least {min_length}"),
    "too_long": ("has too many entries", "give at most {max_length}"),
}


def _mistakes(error: ValidationError, prefix: str, known: Sequence[str]) -> Iterator[InputError]:
    seen = set()
    for item in error.errors(include_url=False):
        parts = [str(part) for part in item["loc"] if not str(part).startswith(("constrained", "list["))]
        while parts and parts[-1] in ("int", "float", "str", "none"):  # the branch of a union
            parts.pop()
        where = ".".join([prefix, *parts] if prefix else parts)
        if where in seen:
            continue
        seen.add(where)
        kind, context = item["type"], item.get("ctx", {})
        if kind in ("unexpected_keyword_argument", "extra_forbidden"):
            siblings = [key for key in known if key != where and not key.startswith(f"{where}.")]
            yield InputError("unknown key", where, nearest(where, siblings))
        elif kind in ("missing", "missing_argument", "missing_keyword_only_argument"):
            yield InputError("no value", where, f"set {where}=VALUE")
        elif kind == "string_pattern_mismatch":
            yield InputError(f"{item['input']!r} is not valid", where, f"it must match {context['pattern']}")
        else:
            what, mend = _MESSAGES.get(kind, (item["msg"], "see the comments in conf/"))
            value = item["input"]
            shown = "it" if isinstance(value, dict | list) else "nothing" if value is None else repr(value)
            yield InputError(f"{shown} {what.format(**context)}", where, mend.format(**context))


def _targets(config: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Dotted key and entry of `TARGETS` of every node with a `_target_`."""
    for entry in TARGETS:
        parent = entry.removesuffix(".*")
        if entry == parent:
            yield entry, entry
        else:
            yield from ((f"{parent}.{name}", entry) for name in get(config, parent) or {})


def _validate_node(
    config: dict[str, Any], key: str, entry: str, mistakes: list[InputError], known: Sequence[str]
) -> None:
    """Check one node with a `_target_` against the dataclass of its target."""
    node = get(config, key)
    base, shipped = TARGETS[entry]
    if not isinstance(node, dict):
        if entry != key:
            mistakes.append(InputError("unknown key", key, "choose an option of the group first"))
        return
    target = node.get("_target_")
    values = {k: v for k, v in node.items() if k != "_target_"}
    if target in shipped:
        try:
            TypeAdapter(shipped[target]).validate_json(json.dumps(values))
        except ValidationError as error:
            mistakes.extend(_mistakes(error, key, known))
    elif not isinstance(target, str) or target.split(".")[0] not in config.get("plugins", []):
        mistakes.append(
            InputError(
                f"{target!r} is not a {base.rsplit('.', 1)[1]} of this project",
                f"{key}._target_",
                f"choose an option of the group, or name its package in plugins=[…]; shipped: {', '.join(shipped)}",
            )
        )


def _schema_mistakes(config: dict[str, Any]) -> list[InputError]:
    flat = list(leaves(config))
    missing = [key for key, value in flat if value == "???"]
    mistakes = [InputError("no value", key, f"set {key}=VALUE") for key in missing]
    known = [key for key, _ in flat]
    try:
        TypeAdapter(Root).validate_json(json.dumps(config))
    except ValidationError as error:
        mistakes.extend(_mistakes(error, "", known))
    for key, entry in _targets(config):
        _validate_node(config, key, entry, mistakes, known)
    return mistakes


def _settle_sigma(config: dict[str, Any], in_sweep: bool) -> list[str]:
    """Move the top-level sigma into the strategy."""
    sigma = config.get("sigma")
    config["sigma"] = None
    if sigma is None:
        return []
    strategy = config.get("strategy", {})
    if "sigma" in strategy:
        strategy["sigma"] = sigma
        return []
    name = strategy.get("name")
    if in_sweep:
        return [f"strategy {name} has no noise level: sigma={sigma} is ignored"]
    raise InputError(
        f"strategy {name} has no noise level", f"sigma={sigma}", "remove it, or choose strategy=jitter or input_jitter"
    )


def check(config: dict[str, Any], in_sweep: bool = False) -> list[str]:
    """Settle and check a composed configuration.

    Returns
    -------
    list of str
        Notes.

    Raises
    ------
    InputErrors
        With every mistake.
    """
    mistakes: list[InputError] = []
    notes: list[str] = []
    sigma = config.get("sigma")
    try:
        notes = _settle_sigma(config, in_sweep)
    except InputError as error:
        mistakes.append(error)
    mistakes += _schema_mistakes(config)
    if isinstance(sigma, str | bool) and "sigma" not in config.get("strategy", {}):
        mistakes.append(InputError(f"{sigma!r} must be a number", "sigma", "give one"))
    if not mistakes:
        mistakes += inconsistencies(config)
    if mistakes:
        raise InputErrors(mistakes)
    return notes


def load(overrides: Sequence[Override], in_sweep: bool = False) -> Job:
    """Compose and check one job.

    Parameters
    ----------
    overrides
        Parsed overrides without sweeps.
    in_sweep
        A sigma without use is then noted rather than refused.

    Raises
    ------
    InputErrors
        With every mistake found.
    """
    accepted, mistakes = _check_groups(overrides)
    notes: list[str] = []
    config: dict[str, Any] = {}
    try:
        config = _compose(accepted)
        given = {o.key_or_group: o for o in overrides}
        if config.get("mode") in ("evaluate", "reconstruct", "audit") and _is_ours(config):
            config = _from_checkpoint(config, given)
        notes = check(config, in_sweep)
    except InputErrors as error:
        mistakes += error.mistakes
    except InputError as error:
        mistakes.append(error)
    if mistakes:
        raise InputErrors(mistakes)
    return Job(config, [o.input_line or "" for o in overrides], notes)


#: What mode=evaluate may change of a trained network's configuration.
_EVALUATION_PARTS = (
    "operator", "dataset", "attack", "shift", "evaluation", "audit", "logger", "mode", "checkpoint", "input", "output",
    "run_dir", "output_dir",
    "device", "precision", "force", "resume", "plugins", "trainer.threads", "trainer.workers",
    "architecture.iterations", "scale", "experiment",
)  # fmt: skip


def _has(config: dict[str, Any], key: str) -> bool:
    """Whether the class that a node names takes this setting."""
    parent, _, name = key.rpartition(".")
    if parent not in TARGETS:  # a node without a class, which every configuration has
        return True
    target = (get(config, parent) or {}).get("_target_")
    shipped = TARGETS[parent][1]
    return target in shipped and name in {f.name for f in dataclasses.fields(shipped[target])}


def _is_ours(config: dict[str, Any]) -> bool:
    """Whether a checkpoint of this project gives the configuration."""
    return isinstance(config.get("checkpoint"), str) and config.get("reconstructor") is None


def _put(config: dict[str, Any], key: str, value: Any) -> None:
    """Set the value under a dotted key."""
    *parents, last = key.split(".")
    for part in parents:
        config = config.setdefault(part, {})
    config[last] = value


def _saved_config(path: Path) -> dict[str, Any]:
    """The configuration in a safetensors file, or beside a folder of checkpoints."""
    where = path if path.suffix == ".safetensors" else path.resolve().parent.parent / "config.yaml"
    if not where.is_file():
        raise InputError("no config.yaml beside the checkpoints", str(where), "keep the run directory whole")
    try:
        if where == path:
            with safe_open(path, "np") as file:
                loaded = OmegaConf.create(OmegaConf.create(file.metadata()["sgdj"])["config"])
        else:
            loaded = OmegaConf.load(where)
        saved: Any = OmegaConf.to_container(loaded)
        return dict(saved)
    except Exception as error:
        raise InputError("the configuration cannot be read", str(where), "restore the file") from error


def _from_checkpoint(config: dict[str, Any], given: dict[str, Override]) -> dict[str, Any]:
    """The trained network's configuration, with the evaluation parts of the command line put in."""
    path = Path(config["checkpoint"])
    if not path.is_file():
        raise InputError(f"no such file: {path}", "checkpoint", "give RUN_DIR/checkpoints/best.ckpt")
    saved = _saved_config(path)
    saved.setdefault("audit", config["audit"])
    for key, value in YOUNGER.items():
        if key not in dict(leaves(saved)) and get(saved, key) is None and _has(saved, key):
            _put(saved, key, value)
    mistakes = [
        InputError("an evaluation cannot change this of a trained network", key, "train another one, or leave it out")
        for key in given
        if not key.startswith("hydra")
        and not any(key == part or key.startswith(f"{part}.") for part in _EVALUATION_PARTS)
        and not (key == "task" and given[key].value() == saved.get("task"))
    ]
    if mistakes:
        raise InputErrors(mistakes)
    groups = [
        f"{'+' if k == 'experiment' else ''}{(o.input_line or '').lstrip('+')}"
        for k, o in given.items()
        if k in GROUPS and k not in ("scale", "task")
    ]
    scale = given["scale"].value() if "scale" in given else saved["scale"]
    values = [f"++{k}={o.get_value_element_as_str()}" for k, o in given.items() if k not in GROUPS and "hydra" not in k]
    fresh = _compose([f"task={saved['task']}", f"scale={scale}", *groups, *values])
    for key in (
        "mode",
        "checkpoint",
        "input",
        "output",
        "run_dir",
        "output_dir",
        "force",
        "resume",
        "plugins",
        "device",
        "precision",
    ):
        saved[key] = fresh[key]
    if "experiment" in given:
        experiment: Any = OmegaConf.to_container(
            OmegaConf.load(CONF / "experiment" / f"{given['experiment'].value()}.yaml")
        )
        overridden = [key for entry in get(experiment, "defaults") or [] if isinstance(entry, dict) for key in entry]
        for group in ("attack", "shift"):
            if f"override /{group}" in overridden:
                saved[group] = fresh[group]
        for key, _ in leaves(experiment):
            if any(key == part or key.startswith(f"{part}.") for part in _EVALUATION_PARTS):
                _put(saved, key, get(fresh, key))
    for key, override in given.items():
        if key == "experiment":
            continue
        if key in GROUPS and key not in ("scale", "task"):
            saved[key] = fresh[key]
        elif key not in GROUPS:
            _put(saved, key, get(fresh, key) if get(fresh, key) is not None else override.value())
    for one, other in (("epsilon", "rho"), ("rho", "epsilon")):
        if f"attack.{one}" in given and f"attack.{other}" not in given:
            saved["attack"][other] = None
    return saved


def decides(key: str) -> bool:
    """Whether a dotted key counts towards a run's identity."""
    return not any(key == part or key.startswith(f"{part}.") for part in _NO_IDENTITY)


def identity(config: dict[str, Any], manifest: dict[str, Any], extra: dict[str, Any] | None = None) -> str:
    """Hash that names a run: canonical configuration, data and result version.

    Parameters
    ----------
    config
        Checked configuration.
    manifest
        `Source.manifest()` of the data.
    extra
        Further identity, such as the hash of an evaluated checkpoint.

    Returns
    -------
    str
        12 hexadecimal digits.
    """
    kept = {
        key: value for key, value in leaves(config) if decides(key) and not (key in YOUNGER and YOUNGER[key] == value)
    }
    text = json.dumps([RESULT_VERSION, kept, manifest, extra or {}], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
