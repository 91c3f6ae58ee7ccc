"""What `/readyz` says about a loader's state. Pure: a state in, a wire shape out."""

from modeling.policy import Threshold
from prediction_service.calibration import Calibration
from prediction_service.loader import Loaded, State
from prediction_service.wire import (
    Access,
    CalibrationInfo,
    DataInfo,
    ModelInfo,
    PolicyInfo,
    Readiness,
    ThresholdInfo,
)


def describe(state: State, model_name: str, access: Access = "open") -> Readiness:
    """The state, with the model, its policy and its data once there is one."""
    if state.loaded is None or state.moderator is None:
        return Readiness(status=state.status, detail=state.detail, access=access)
    return Readiness(
        access=access,
        status=state.status,
        detail=state.detail,
        model=_model(state.loaded, model_name),
        policy=_policy(state.loaded),
        data=_data(state.loaded),
        attributes=dict(state.moderator.attributes),
        calibration=_calibration(state.moderator.calibration),
    )


def _model(loaded: Loaded, name: str) -> ModelInfo:
    return ModelInfo(
        name=name,
        version=loaded.version,
        digest=loaded.bundle.digest,
        kind=loaded.bundle.kind,
        source=loaded.source,
    )


def _policy(loaded: Loaded) -> PolicyInfo:
    policy = loaded.bundle.policy
    return PolicyInfo(
        version=policy.version,
        attributes={
            attribute: {action: _threshold(one) for action, one in actions.items()}
            for attribute, actions in policy.attributes.items()
        },
    )


def _threshold(one: Threshold) -> ThresholdInfo:
    return ThresholdInfo(
        reachable=one.reachable,
        threshold=one.value,
        target=one.target,
        precision=one.precision,
        recall=one.recall,
        reason=one.reason,
    )


def _calibration(calibration: Calibration | None) -> CalibrationInfo | None:
    if calibration is None:
        return None
    return CalibrationInfo(
        digest=calibration.digest,
        attributes=list(calibration.links),
        rows=calibration.rows,
        bundle=calibration.bundle,
    )


def _data(loaded: Loaded) -> DataInfo:
    data = loaded.bundle.passport.get("data", {})
    return DataInfo(
        source=str(data.get("source", "unknown")),
        name=str(data.get("name", "unknown")),
        rows=int(data.get("rows", 0)),
        is_sample=bool(data.get("is_sample", False)),
    )
