"""The secondary indexes of the tables; template.yaml declares them.

The attribute names `s`, `k` and `id` are short because a scan by sync reads millions of entries.
"""

from typing import TYPE_CHECKING

from pynamodb.attributes import UnicodeAttribute, UTCDateTimeAttribute
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex, IncludeProjection, KeysOnlyProjection

if TYPE_CHECKING:
    from callscribe.store.tables import RecordingModel, ServiceRequestModel  # noqa: F401


class ByKey(GlobalSecondaryIndex["RecordingModel"]):
    """Every file of a source in the order of its key, as S3 lists them: sync compares the listing with it.

    A recording whose file is missing has no `index_key`, so the index does not contain it.
    """

    class Meta:
        index_name = "by-key"
        projection = KeysOnlyProjection()

    source_hash = UnicodeAttribute(hash_key=True, attr_name="s")
    index_key = UnicodeAttribute(range_key=True, attr_name="k")


class ByStatus(GlobalSecondaryIndex["RecordingModel"]):
    """Each status as a queue, keys only: which recordings are next, and how many there are."""

    class Meta:
        index_name = "by-status"
        projection = KeysOnlyProjection()

    status = UnicodeAttribute(hash_key=True)
    sort_key = UnicodeAttribute(range_key=True)


class ByTime(GlobalSecondaryIndex["RecordingModel"]):
    """Every recording by the time of its call, with all attributes: a list is one request."""

    class Meta:
        index_name = "by-time"
        projection = AllProjection()

    listing = UnicodeAttribute(hash_key=True)
    recorded_at = UTCDateTimeAttribute(range_key=True)


class ByStatusAndTime(GlobalSecondaryIndex["RecordingModel"]):
    """The recordings of one status by the time of their call, with all attributes."""

    class Meta:
        index_name = "by-status-and-time"
        projection = AllProjection()

    status = UnicodeAttribute(hash_key=True)
    recorded_at = UTCDateTimeAttribute(range_key=True)


class ByCall(GlobalSecondaryIndex["RecordingModel"]):
    """By the phone system's id of the call. This index and the next four contain nothing that a transition changes."""

    class Meta:
        index_name = "by-call"
        projection = KeysOnlyProjection()

    call = UnicodeAttribute(hash_key=True)
    recorded_at = UTCDateTimeAttribute(range_key=True)


class ByName(GlobalSecondaryIndex["RecordingModel"]):
    """By the name of the file, case-folded."""

    class Meta:
        index_name = "by-name"
        projection = IncludeProjection(["recorded_at"])

    listing = UnicodeAttribute(hash_key=True)
    name = UnicodeAttribute(range_key=True)


class ByNumber1(GlobalSecondaryIndex["RecordingModel"]):
    """By the last digits of a call's first number, if it has one; the next two indexes by its second and third."""

    class Meta:
        index_name = "by-number-1"
        projection = IncludeProjection(["numbers"])

    number_1 = UnicodeAttribute(hash_key=True, attr_name="n1")
    recorded_at = UTCDateTimeAttribute(range_key=True)


class ByNumber2(GlobalSecondaryIndex["RecordingModel"]):
    class Meta:
        index_name = "by-number-2"
        projection = IncludeProjection(["numbers"])

    number_2 = UnicodeAttribute(hash_key=True, attr_name="n2")
    recorded_at = UTCDateTimeAttribute(range_key=True)


class ByNumber3(GlobalSecondaryIndex["RecordingModel"]):
    class Meta:
        index_name = "by-number-3"
        projection = IncludeProjection(["numbers"])

    number_3 = UnicodeAttribute(hash_key=True, attr_name="n3")
    recorded_at = UTCDateTimeAttribute(range_key=True)


class ServiceRequestsByRecording(GlobalSecondaryIndex["ServiceRequestModel"]):
    """The requests for one recording. Runs have no such attribute, so the index does not contain them."""

    class Meta:
        index_name = "by-recording"
        projection = AllProjection()

    recording_id = UnicodeAttribute(hash_key=True)
    id = UnicodeAttribute(range_key=True, attr_name="run")
