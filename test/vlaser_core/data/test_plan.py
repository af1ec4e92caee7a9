from __future__ import annotations

import pytest

from vlaser_core.data.mix import MixPlan, Share
from vlaser_core.data.plan import Rate, Standing, estimate, standing, to_json
from vlaser_core.errors import InputError


def share(name: str, records: int = 1000) -> Share:
    return Share(name, "grounding", records, "Apache-2.0")


def test_a_source_that_is_there_is_measured(noise):
    found = standing(share("noise"), lambda name, records: noise(count=30, items=50, damaged=10))
    assert found.present and found.units == 30 and found.items == 1500 and found.damaged == 5
    assert found.rate.seconds > 0 and found.rate.bytes > 500


def test_a_source_that_is_missing_says_how_to_get_it(noise):
    class Missing(noise):
        def units(self):
            raise InputError("no index.json below datasets/noise")

    found = standing(share("noise"), lambda name, records: Missing(get="download it from its publisher into datasets/noise"))
    assert not found.present and found.missing == "no index.json below datasets/noise; download it from its publisher into datasets/noise"


def test_a_source_without_a_reader_is_missing_too():
    def unknown(name: str, records: int):
        raise InputError(f"unknown source {name!r}")

    assert standing(share("other"), unknown).missing == "unknown source 'other'"


def test_the_estimate_is_rate_times_records_and_says_what_it_assumes():
    standings = [
        Standing(share("quick", 3_600_000), True, rate=Rate(seconds=0.001, bytes=1000)),
        Standing(share("slow", 3_600_000), True, rate=Rate(seconds=0.003, bytes=3000)),
        Standing(share("absent", 3_600_000), False, missing="not there"),
    ]
    found = estimate(standings, workers=2)
    assert (
        found.hours == pytest.approx((1 + 3 + 2) / 2)
        and found.gigabytes == pytest.approx(3.6 * (1 + 3 + 2))
        and found.assumed == ("absent",)
    )
    assert estimate(standings[2:], workers=2) is None
    plain = to_json(MixPlan("test", tuple(entry.share for entry in standings)), standings, found)
    assert plain["present"] == ["quick", "slow"] and plain["missing"] == ["absent"] and plain["categories"] == {"grounding": 10_800_000}
