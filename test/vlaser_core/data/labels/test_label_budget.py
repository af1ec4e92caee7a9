from __future__ import annotations

import json
import threading

import pytest

from vlaser_core.data.labels.budget import Budget, Budgeted, Spent, read_spent
from vlaser_core.data.labels.chat import BudgetSpent, Reply, Request, Unavailable
from vlaser_core.errors import InputError


class Counting:
    model = "m"

    def __init__(self, reply: Reply | None = None) -> None:
        self.reply, self.asked = reply or Reply("yes", 100, 10), 0

    def write(self, request: Request) -> Reply:
        self.asked += 1
        return self.reply


def ask_until_spent(writer: Budgeted, most: int = 50) -> int:
    for done in range(most):
        try:
            writer.write(Request(str(done), max_tokens=50))
        except BudgetSpent:
            return done
    return most


def test_requests_end_at_their_cap_and_the_next_run_goes_on_counting(tmp_path):
    asked = Counting()
    assert ask_until_spent(Budgeted(asked, Budget(requests=5), tmp_path)) == 5 == asked.asked
    with pytest.raises(BudgetSpent, match=r"budget of 5 requests is spent \(5 so far.*raise it and run the same command again"):
        Budgeted(asked, Budget(requests=5), tmp_path).write(Request("?"))
    assert ask_until_spent(Budgeted(asked, Budget(requests=7), tmp_path)) == 2


@pytest.mark.parametrize("budget", [Budget(tokens=1000), Budget(money=0.01, prompt_price=10.0, answer_price=0.0)])
def test_tokens_and_money_are_never_more_than_their_cap(tmp_path, budget):
    asked = Counting()
    done = ask_until_spent(Budgeted(asked, budget, tmp_path))
    spent = read_spent(tmp_path)
    assert spent.tokens == 110 * done and spent.money == pytest.approx(budget.price(100 * done, 10 * done))
    # One request more would have been too much: 100 tokens of the prompt and up to 50 of an answer.
    assert done == {None: (1000 - 150) // 110 + 1, 0.01: 10}[budget.money]
    assert spent.tokens <= (budget.tokens or 10**9) and spent.money <= (budget.money or 1e9) + 1e-12


def test_time_ends_a_run_and_says_that_the_next_one_continues(tmp_path):
    now = [1000.0]
    writer = Budgeted(Counting(), Budget(hours=0.5), tmp_path, ends=1000.0 + 1800, clock=lambda: now[0])
    writer.write(Request("?"))
    now[0] += 1801
    with pytest.raises(BudgetSpent, match=r"0\.5 hours for this run are over.*continues"):
        writer.write(Request("?"))


def test_a_request_that_failed_costs_a_request_and_no_tokens(tmp_path):
    class Down(Counting):
        def write(self, request: Request) -> Reply:
            raise Unavailable("down")

    with pytest.raises(Unavailable):
        Budgeted(Down(), Budget(), tmp_path).write(Request("?"))
    assert read_spent(tmp_path) == Spent(1, 0, 0.0, 0)


def test_a_request_whose_end_was_not_seen_stays_counted(tmp_path):
    class Killed(BaseException):
        pass

    class Dying(Counting):
        def write(self, request: Request) -> Reply:
            spent.append(read_spent(tmp_path))
            return super().write(request)

    spent: list[Spent] = []
    writer = Budgeted(Dying(), Budget(tokens=10_000), tmp_path)
    writer.write(Request("?", max_tokens=50))
    writer.write(Request("?", max_tokens=50))
    # While the second was under way, as a kill would have left it: the most that it could have cost.
    assert spent[1].tokens == 110 + 100 + 50 and read_spent(tmp_path).tokens == 220


def test_workers_share_one_account(tmp_path):
    askers = [Counting() for _ in range(4)]
    writers = [Budgeted(asker, Budget(requests=40), tmp_path) for asker in askers]
    threads = [threading.Thread(target=ask_until_spent, args=(writer, 100)) for writer in writers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(asker.asked for asker in askers) == 40 == read_spent(tmp_path).requests


@pytest.mark.parametrize("content", ["", "{", '{"requests": "4"}', '{"requests": 4, "else": 1}', "[]"])
def test_an_account_that_cannot_be_read_is_not_taken_for_an_empty_one(tmp_path, content):
    (tmp_path / "spent.json").write_text(content)
    asked = Counting()
    with pytest.raises(InputError, match=r"spent\.json, the account of requests and tokens spent"):
        Budgeted(asked, Budget(requests=5), tmp_path).write(Request("?"))
    assert asked.asked == 0


def test_a_budget_that_could_not_be_kept_is_refused():
    for wrong in ({"requests": -1}, {"money": 5.0}, {"hours": float("inf")}):
        with pytest.raises(ValueError, match="caps"):
            Budget(**wrong)


def test_the_account_is_a_file_that_a_person_can_read(tmp_path):
    Budgeted(Counting(), Budget(), tmp_path).write(Request("?"))
    assert json.loads((tmp_path / "spent.json").read_text()) == {"requests": 1, "tokens": 110, "money": 0.0, "longest_prompt": 100}
