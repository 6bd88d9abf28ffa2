"""The names of the rules by which a pair becomes what is scored.

Thresholds, certificates and kept scores are bound to them: by other rules the same pair scores differently. A test
tells when what the rules give has changed and the name has not.
"""

# The texts in which a pair is read: `guard.core.disguise`, `guard.pipeline.readings`.
READINGS = "guard-4"
# The pictures in which a picture is seen, and looked through for writing: `guard.core.image`, `tiles`, `contrast`.
VIEWS = "guard-2"
