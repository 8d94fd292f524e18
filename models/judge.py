"""The gate: is tonight's model good enough to be published? Pure numbers in, a decision with reasons out."""

import math
from dataclasses import dataclass

from models.config import GateConfig


@dataclass(frozen=True)
class AgainstChampion:
    """How champion and challenger compare; a figure that was not measured is None.

    n_new_ratings               ratings newer than the champion's snapshot
    challenger_new_rmse, champion_new_rmse    both scored on those
    champion_holdout_rmse       the figure stored on the champion's own night
    """

    n_new_ratings: int
    challenger_new_rmse: float | None
    champion_new_rmse: float | None
    champion_holdout_rmse: float | None


@dataclass(frozen=True)
class Evidence:
    """What the gate looks at: figures on the holdout of n_holdout ratings. champion is None on the first night."""

    challenger_rmse: float | None
    baseline_rmse: float | None
    n_holdout: int
    champion: AgainstChampion | None = None


@dataclass(frozen=True)
class Decision:
    """Whether the challenger is blessed, and a sentence for each thing that was checked."""

    blessed: bool
    reasons: list[str]


def judge(evidence: Evidence, config: GateConfig) -> Decision:
    """Bless a challenger that beats the damped biases and is not clearly worse than the champion.

    The champion has seen tonight's holdout if it trained on those ratings, so it is scored only on ratings newer than
    its snapshot; where they are fewer than min_new_ratings, the two nights' stored holdout figures are compared.
    A missing, NaN or infinite figure fails.
    """
    checks = [_beats_baseline(evidence)]
    if evidence.champion is None:
        checks.append((True, "No earlier snapshot has a champion: the baseline alone decides."))
    else:
        checks.append(_holds_against(evidence, evidence.champion, config))
    return Decision(all(passed for passed, _ in checks), [reason for _, reason in checks])


def _beats_baseline(evidence: Evidence) -> tuple[bool, str]:
    challenger, baseline = _figure(evidence.challenger_rmse), _figure(evidence.baseline_rmse)
    passed = 0 <= challenger < baseline < math.inf  # False for NaN
    verb = "is below" if passed else "is not below"
    return passed, f"The holdout RMSE {_shown(challenger)} {verb} that of the damped biases, {_shown(baseline)}."


def _holds_against(evidence: Evidence, champion: AgainstChampion, config: GateConfig) -> tuple[bool, str]:
    if champion.n_new_ratings >= config.min_new_ratings:
        where = f"on {champion.n_new_ratings:,} ratings newer than the champion's snapshot"
        slack = _slack(champion.n_new_ratings, config)
        return _not_worse(champion.challenger_new_rmse, champion.champion_new_rmse, slack, where)
    where = f"on each night's own holdout ({champion.n_new_ratings:,} newer ratings are fewer than "
    where += f"{config.min_new_ratings:,}, too few to score the champion on)"
    slack = _slack(evidence.n_holdout, config)
    return _not_worse(evidence.challenger_rmse, champion.champion_holdout_rmse, slack, where)


def _slack(n_ratings: int, config: GateConfig) -> float:
    """How much worse, relatively, is fine: the tolerance, and what chance does to an RMSE over n ratings.

    The standard error of an RMSE over n independent normal errors is RMSE / sqrt(2 n). NaN over nothing.
    """
    return config.tolerance + config.chance / math.sqrt(2 * n_ratings) if n_ratings > 0 else math.nan


def _not_worse(challenger: float | None, champion: float | None, slack: float, where: str) -> tuple[bool, str]:
    """challenger <= champion * (1 + slack), with both finite."""
    ours, theirs = _figure(challenger), _figure(champion)
    limit = theirs * (1 + slack)
    passed = 0 <= ours <= limit < math.inf  # False for NaN
    verb = "is within" if passed else "is not within"
    return passed, (
        f"The RMSE {_shown(ours)} {verb} the limit {_shown(limit)} (champion {_shown(theirs)} + {slack:.1%}), {where}."
    )


def _figure(value: float | None) -> float:
    """NaN for what is missing, so that every comparison with it fails."""
    return math.nan if value is None else value


def _shown(figure: float) -> str:
    return f"{figure:.4f}" if math.isfinite(figure) else "(not measured)" if math.isnan(figure) else f"({figure})"
