"""The policies of a configuration on the operating points of a bundle. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

from guard.config import Settings
from guard.core.policy import Policy
from guard.core.rules import Rule, Rules
from guard.errors import ConfigInvalid
from guard.manifest import Calibration, Certificate, Manifest, OperatingPoint
from guard.policy_settings import CUSTOM, OwnPolicy, PolicySettings, RuleSettings, resolve
from guard.stats.calibrators import to_probability
from guard.types import Action, Mode

_DEFAULT_POINT = "balanced"
_RATES = {"false_refusal": "false refusals", "miss": "misses"}


@dataclass(frozen=True, slots=True)
class ChosenPolicy:
    """A policy, and where its threshold comes from: the name of an operating point, or "custom"."""

    policy: Policy
    point: OperatingPoint
    source: str

    @property
    def certificates(self) -> tuple[Certificate, ...]:
        """What was proven about the threshold and holds for the policy too.

        A limit of false refusals needs that nothing is blocked below the threshold, one of misses that everything is
        from it on.
        """
        return tuple(proven for proven in self.point.certificates if self._keeps(proven))

    @property
    def certificate(self) -> Certificate | None:
        """The first of them; None where there is none."""
        return next(iter(self.certificates), None)

    @property
    def lost_certificates(self) -> tuple[Certificate, ...]:
        """What was proven about the threshold and the policy's own rules leave untrue."""
        return tuple(proven for proven in self.point.certificates if not self._keeps(proven))

    @property
    def covered_point(self) -> OperatingPoint:
        """The operating point with no more certificates than hold for the policy."""
        kept = self.certificates
        return self.point.model_copy(update={"certificate": self.certificate, "further": kept[1:]})

    def _keeps(self, proven: Certificate) -> bool:
        rules = self.policy.rules
        return rules.blocks_only_unsafe if proven.rate == "false_refusal" else rules.blocks_all_unsafe


@dataclass(frozen=True, slots=True)
class Policies:
    """Every policy of a configuration by name, and the one that judges unless another one is asked for."""

    default: str
    by_name: Mapping[str, ChosenPolicy]

    @property
    def chosen(self) -> ChosenPolicy:
        """The default."""
        return self.by_name[self.default]

    @property
    def points(self) -> dict[str, OperatingPoint]:
        """Thresholds in use, by policy."""
        return {name: chosen.point for name, chosen in self.by_name.items()}

    @property
    def policies(self) -> dict[str, Policy]:
        """The policies themselves, by name."""
        return {name: chosen.policy for name, chosen in self.by_name.items()}


def make_policies(settings: Settings, manifest: Manifest, *, digest: str) -> Policies:
    """Return the policies of a configuration on a bundle's operating points.

    Raises:
        ConfigInvalid: a name or an operating point that there is not, a name that an operating point has too, or a
            policy of which nothing but allow can come.
    """
    maker = _Maker(settings.mode, manifest, digest, settings.judge_output.threshold)
    for name in settings.policies:
        if name in manifest.operating_points:
            reason = f"{maker.label} has an operating point of this name, which is a policy already; choose another one"
            raise ConfigInvalid(f"policies.{name}: {reason}")
    made = {name: maker.own(name, resolve(name, settings.policies)) for name in settings.policies}
    if settings.policy.name in made:
        return Policies(settings.policy.name, MappingProxyType(made))
    chosen = maker.listed(settings.policy, tuple(made))
    return Policies(chosen.policy.name, MappingProxyType({chosen.policy.name: chosen, **made}))


def warnings(policies: Policies, settings: Settings) -> tuple[str, ...]:
    """Return what is allowed but perhaps not meant, one line each."""
    found = []
    changed = [name for name in _MEASURED_WITH if getattr(settings, name) != Settings.model_fields[name].get_default()]
    if changed and any(chosen.certificates for chosen in policies.by_name.values()):
        found.append(
            f"certificates were measured with {' and '.join(_MEASURED_WITH)} as they are by default; "
            f"{' and '.join(changed)} of this configuration may refuse more, or find less"
        )
    for name, chosen in policies.by_name.items():
        if settings.mode is Mode.ENFORCE and not chosen.policy.rules.blocks:
            found.append(f"policy {name} blocks nothing that is unsafe: it only flags or sends to review")
        if settings.mode is Mode.ENFORCE and chosen.policy.rules.blocks and chosen.point.threshold == 0:
            found.append(f"policy {name} has the threshold 0, which every pair reaches: all of them are unsafe")
        lost = chosen.lost_certificates
        for rate in dict.fromkeys(proven.rate for proven in lost):
            why = (
                "it has rules that block below that threshold"
                if rate == "false_refusal"
                else "it lets pass some of what is unsafe"
            )
            of = "" if len(lost) == len(chosen.point.certificates) else f" of {_RATES[rate]}"
            found.append(f"policy {name} is not certified{of}, although its threshold {chosen.source} is: {why}")
    return tuple(found)


# Sections of settings by which `guard calibrate` and `guard release gate` measure.
_MEASURED_WITH = ("images", "ocr")


@dataclass(frozen=True, slots=True)
class _Maker:
    """Makes policies for one bundle and mode."""

    mode: Mode
    manifest: Manifest
    digest: str
    output_threshold: float | None

    @property
    def label(self) -> str:
        return f"{self.manifest.name}-{self.manifest.version}"

    def listed(self, settings: PolicySettings, own: tuple[str, ...]) -> ChosenPolicy:
        """Return the policy of the section `policy`, where it names none of one's own."""
        points = self.manifest.operating_points
        if settings.threshold is None and settings.name not in points:
            others = f"policies has {', '.join(own)}; " if own else ""
            raise ConfigInvalid(f"policy.name: {others}{self.label} has {', '.join(points)}, not {settings.name!r}")
        said = OwnPolicy.model_construct(
            operating_point=None if settings.threshold is not None else settings.name,
            threshold=settings.threshold,
            **settings.model_dump(exclude={"name", "threshold"}),
        )
        return self._make(CUSTOM if settings.threshold is not None else settings.name, said, place="policy")

    def own(self, name: str, said: OwnPolicy) -> ChosenPolicy:
        """Return a policy of one's own, of which everything is said that `extends` gave."""
        return self._make(name, said, place=f"policies.{name}")

    def _make(self, name: str, said: OwnPolicy, *, place: str) -> ChosenPolicy:
        source, point = self._point(said, place)
        policy = Policy(
            name=name,
            threshold=point.threshold,
            bundle=self.digest,
            to_probability=partial(_probability, self.manifest.calibration),
            rules=_rules(said),
            on_error=said.on_error or Action.BLOCK,
            on_unjudged=said.on_unjudged or Action.BLOCK,
            mode=self.mode,
            judge_system=said.judge_system is not False,
            output_threshold=self.output_threshold,
        )
        if not policy.rules.acts:
            raise ConfigInvalid(f"{place}: does nothing: every action in it is allow (to judge nothing, set mode: off)")
        return ChosenPolicy(policy, point, source)

    def _point(self, said: OwnPolicy, place: str) -> tuple[str, OperatingPoint]:
        if said.threshold is not None:
            return CUSTOM, OperatingPoint(threshold=said.threshold, chosen_on="the configuration")
        name = said.operating_point or _DEFAULT_POINT
        points = self.manifest.operating_points
        if name not in points:
            raise ConfigInvalid(f"{place}.operating_point: {self.label} has {', '.join(points)}, not {name!r}")
        return name, points[name]


def _rules(said: OwnPolicy) -> Rules:
    categories, attacks = said.categories or {}, said.attacks or {}
    of_category = {name: rule.action for name, rules in categories.items() for rule in rules if rule.threshold is None}
    return Rules(
        unsafe_action=said.unsafe_action or Action.BLOCK,
        of_category=MappingProxyType(of_category),
        categories=_with_thresholds(categories),
        attacks=_with_thresholds(attacks),
    )


def _with_thresholds(by_name: Mapping[str, tuple[RuleSettings, ...]]) -> tuple[Rule, ...]:
    return tuple(
        Rule(name, rule.action, rule.threshold)
        for name, rules in by_name.items()
        for rule in rules
        if rule.threshold is not None
    )


def _probability(calibration: Calibration, score: float) -> float:
    return float(to_probability(calibration, score))
