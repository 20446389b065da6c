import pytest

from services.gateway.misspelt import check
from services.gateway.problems import Problem
from services.gateway.views.facecrop import CropByUrl, CropOptions
from services.gateway.views.matching import MatchJobBody


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("enhanced", "enhance"),
        ("Enhance", "enhance"),
        ("autorotate", "auto_rotate"),
        ("autoRotate", "auto_rotate"),
        ("rotate", "auto_rotate"),
        ("background_color", "background"),
        ("backgroundColour", "background"),
        ("icpType", "icp_type"),
        ("image_uris", "image_urls"),
    ],
)
def test_what_is_nearly_a_field_is_refused_by_name_and_the_field_told(
    name: str, meant: str
) -> None:
    with pytest.raises(Problem, match=f"'{name}'.*{meant}") as refused:
        check([name, "student_id"], CropByUrl)
    assert (refused.value.status, refused.value.code) == (422, "INVALID_REQUEST")


@pytest.mark.parametrize(
    "name",
    ["student_id", "agency_id", "file", "X-Request", "csrf_token", "user", "", "写真", "e" * 5_000],
)
def test_what_is_like_no_field_passes(name: str) -> None:
    check(["icp_type", "enhance", name], CropByUrl)
    check([name], CropOptions)


def test_a_name_near_a_field_that_is_sent_as_well_is_something_else() -> None:
    check(["icp_type", "icpType", "image_url", "image_uri"], CropByUrl)
    check(["job_id", "jobs_id", "agency_id", "agencyId"], MatchJobBody)
    with pytest.raises(Problem, match="did you mean agency_id"):
        check(["job_id", "agencyId"], MatchJobBody)


@pytest.mark.parametrize("name", ["task_id", "taskId"])
def test_what_the_dialect_calls_so_elsewhere_is_no_mistake(name: str) -> None:
    check(["job_id", "agency_id", name], MatchJobBody)


def test_all_fields_pass_by_their_names() -> None:
    check(["image_url", "image_urls", "icp_type", "enhance", "auto_rotate"], CropByUrl)
    check(["background", "format"], CropByUrl)
