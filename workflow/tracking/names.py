"""What things are called in MLflow: the model, its aliases, tags and files. Knows no MLflow."""

from typing import Final

MODEL_NAME: Final = "chat-moderation"
CHAMPION: Final = "champion"
CHALLENGER: Final = "challenger"

# of versions
DIGEST_TAG: Final = "bundle_digest"
SPLIT_TAG: Final = "split_id"
SAMPLE_TAG: Final = "is_sample"
VERDICT_TAG: Final = "verdict"
RECEIPT_TAG: Final = "receipt_id"
RECEIPT_SHA_TAG: Final = "receipt_sha256"
JUDGED_TAG: Final = "judged_at"
FORCED_TAG: Final = "forced"
PROMOTED_TAG: Final = "promoted_by"

# of runs: by these the next run of ours knows one that was killed
PLACE_TAG: Final = "chatmod_place"

RECEIPTS: Final = "gate"
MANIFEST: Final = "manifest.csv"
EVALUATION: Final = "evaluation"
