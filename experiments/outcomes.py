"""What people did, summed up by the database: votes side by side, and users' outcomes by arm and epoch."""

import uuid

from sqlalchemy import text
from sqlalchemy.orm import Session

from experiments.analysis import ArmStatistics, Tally

# A person's first votes count, up to a number settled beforehand: how they fall does not decide which.
_TALLY = text("""
    WITH votes AS (
        SELECT f.user_id,
               CASE WHEN a.text <> b.text THEN preferred.version END AS preferred,
               row_number() OVER (PARTITION BY f.user_id ORDER BY c.id) AS nth
        FROM comparisons c
        JOIN feedback f ON f.comparison_id = c.id AND f.kind = 'comparison'
        JOIN outputs a ON a.id = c.first_output_id
        JOIN outputs b ON b.id = c.second_output_id
        LEFT JOIN outputs preferred ON preferred.id = f.preferred_output_id
        WHERE c.policy = 'champion_against_challenger'
          AND ((a.version = :champion AND b.version = :challenger)
               OR (a.version = :challenger AND b.version = :champion))
    )
    SELECT count(*) FILTER (WHERE preferred = :challenger) AS wins,
           count(*) FILTER (WHERE preferred = :champion) AS losses,
           count(*) FILTER (WHERE preferred IS NULL) AS ties,
           count(DISTINCT user_id) AS people
    FROM votes WHERE nth <= :votes_a_person
""")

# Arms come from the epochs, not from the exposures, so that an arm that nobody reached is seen as empty. Sums
# run over numeric: the same rows give the same bits in any order.
_ARMS = text("""
    WITH splits AS (
        SELECT DISTINCT ON (split.epoch) split.epoch, split.arms, split.unit
        FROM epochs e
        CROSS JOIN jsonb_to_recordset(e.routing->'experiments')
            AS split(experiment_id uuid, epoch int, arms jsonb, unit text)
        WHERE split.experiment_id = :experiment_id AND split.epoch >= :since
        ORDER BY split.epoch, e.number
    ),
    arms AS (
        SELECT splits.epoch, arm.name AS variant, arm.weight, v.is_baseline
        FROM splits
        CROSS JOIN jsonb_to_recordset(splits.arms) AS arm(name text, weight float8)
        JOIN variants v ON v.experiment_id = :experiment_id AND v.name = arm.name
    ),
    assigned AS (
        SELECT bool_or(unit = 'organisation') AS is_organisation FROM splits
    ),
    exposed AS (
        SELECT DISTINCT ON (unit_id) unit_id, variant, epoch,
               min(variant) OVER everything <> max(variant) OVER everything AS moved
        FROM (
            SELECT CASE WHEN is_organisation THEN organisation_id ELSE user_id END AS unit_id, exposures.*
            FROM exposures CROSS JOIN assigned
            WHERE experiment_id = :experiment_id AND epoch >= :since
        ) AS of_units
        WINDOW everything AS (PARTITION BY unit_id)
        ORDER BY unit_id, exposed_at, answer_id
    ),
    voted AS (
        SELECT CASE WHEN is_organisation THEN organisation_id ELSE user_id END AS unit_id, variant, epoch,
               avg(CASE WHEN kind = 'thumb' THEN thumb_up::int ELSE (rating - 1) / 4.0 END) AS outcome
        FROM feedback CROSS JOIN assigned
        WHERE experiment_id = :experiment_id AND kind IN ('thumb', 'rating')
        GROUP BY unit_id, user_id, variant, epoch
    ),
    outcomes AS (
        SELECT unit_id, avg(outcome) AS outcome FROM exposed JOIN voted USING (unit_id, variant, epoch)
        GROUP BY unit_id
    )
    SELECT arms.epoch, arms.variant, arms.is_baseline, arms.weight,
           count(x.unit_id) AS exposed,
           count(*) FILTER (WHERE x.moved) AS moved,
           count(o.outcome) AS users,
           avg(o.outcome)::float8 AS mean,
           var_samp(o.outcome)::float8 AS variance
    FROM arms
    LEFT JOIN exposed x USING (variant, epoch)
    LEFT JOIN outcomes o USING (unit_id)
    GROUP BY arms.epoch, arms.variant, arms.is_baseline, arms.weight
    ORDER BY arms.epoch, arms.is_baseline DESC, arms.variant
""")


def comparisons(
    session: Session, champion_version: str, challenger_version: str, votes_a_person: int
) -> Tally:
    """The blind votes on two versions, at most `votes_a_person` of each person: their first."""
    versions = {"champion": champion_version, "challenger": challenger_version}
    return Tally(**session.execute(_TALLY, {**versions, "votes_a_person": votes_a_person}).mappings().one())


def arms(session: Session, experiment_id: uuid.UUID, since: int = 0) -> list[ArmStatistics]:
    """Every arm in every epoch of an experiment, from the epoch `since` on, also those that nobody reached.

    A user belongs to the arm and epoch of the first exposure, whatever comes later. The outcome is the mean
    of the thumbs (0 or 1) and ratings (one star 0, five stars 1) on answers of that arm and epoch; a user who
    did not vote is exposed, without an outcome. In an experiment between organisations each of them counts as
    one user does elsewhere, with the mean of its users' outcomes: they were assigned together.
    """
    rows = session.execute(_ARMS, {"experiment_id": experiment_id, "since": since}).mappings()
    return [ArmStatistics(**row) for row in rows]
