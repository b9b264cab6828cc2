"""What was shown comes back: explore with known odds, value a policy before anyone sees it, learn on, promote only what is proven better."""

from recolab.feedback.drawing import Draw
from recolab.feedback.estimates import Bernstein, Bootstrap, Estimate, Interval, Normal, estimate
from recolab.feedback.exploring import (
    EpsilonGreedy,
    Policy,
    Propensities,
    Softmax,
    estimate_propensities,
    step_distributions,
    step_propensities,
)
from recolab.feedback.gate import judge_trial, trial_wins
from recolab.feedback.impressions import ImpressionLog, Shown, read_impressions
from recolab.feedback.interleaving import (
    CHALLENGER,
    CHAMPION,
    INTERLEAVING,
    Interleaved,
    interleaved_wins,
    interleaving_preference,
    team_draft,
)
from recolab.feedback.promoting import (
    ConfidenceSequence,
    Decision,
    Verdict,
    ab_differences,
    bernstein_sequence,
    judge_challenger,
    mixture_sequence,
)
from recolab.feedback.rates import held_out_rates
from recolab.feedback.reactions import Reactions, event_record, join_reactions, read_events
from recolab.feedback.slates import cascade_doubly_robust, cascade_ips, item_position_ips, slate_ips
from recolab.feedback.support import effective_sample_size, importance_weights, require_support
from recolab.feedback.thompson import BlendPosterior, Served, beta_thompson
from recolab.feedback.valuing import clipped_ips, doubly_robust, ips, on_policy, snips

__all__ = [
    "CHALLENGER",
    "CHAMPION",
    "INTERLEAVING",
    "Bernstein",
    "BlendPosterior",
    "Bootstrap",
    "ConfidenceSequence",
    "Decision",
    "Draw",
    "EpsilonGreedy",
    "Estimate",
    "ImpressionLog",
    "Interleaved",
    "Interval",
    "Normal",
    "Policy",
    "Propensities",
    "Reactions",
    "Served",
    "Shown",
    "Softmax",
    "Verdict",
    "ab_differences",
    "bernstein_sequence",
    "beta_thompson",
    "cascade_doubly_robust",
    "cascade_ips",
    "clipped_ips",
    "doubly_robust",
    "effective_sample_size",
    "estimate",
    "estimate_propensities",
    "event_record",
    "held_out_rates",
    "importance_weights",
    "interleaved_wins",
    "interleaving_preference",
    "ips",
    "item_position_ips",
    "join_reactions",
    "judge_challenger",
    "judge_trial",
    "mixture_sequence",
    "on_policy",
    "read_events",
    "read_impressions",
    "require_support",
    "slate_ips",
    "snips",
    "step_distributions",
    "step_propensities",
    "team_draft",
    "trial_wins",
]
