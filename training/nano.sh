#!/usr/bin/env bash
# The shipped nano policy, from nothing to an evaluated checkpoint. Every step resumes: run it again after an interruption.
#
#   bash training/nano.sh             runs/nano, about an hour of one core
#   PROCESSES=1 bash training/nano.sh the same batches in one process instead of two; decided once for a run
#   bash training/nano.sh --smoke     runs/nano-smoke (or the folder named behind), minutes: the same steps at a size that proves nothing but the plumbing
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-.venv/bin/python}
out=runs/nano processes=${PROCESSES:-2}
scenes=(--workers "$processes") sft=(--steps 4500 --batch $((48 / processes)))
flow=(--steps 1000 --batch $((384 / processes))) again=(--steps 800 --batch $((384 / processes)) --learning-rate 1e-3 --matrix-rate 0.006)
rollouts=(--episodes 16) eval=(--episodes 100 --together 4 --grounding 200 --workers "$processes")
if [ "${1:-}" = --smoke ]; then
  out=${2:-runs/nano-smoke} processes=1
  scenes=(--per-task 4 --workers 1) sft=(--steps 3 --batch 4) flow=(--steps 3 --batch 8) again=("${flow[@]}")
  rollouts=(--episodes 1 --renderers rays --tasks widowx_carrot_on_plate)
  eval=(--episodes 1 --tasks widowx_carrot_on_plate --workers 1 --grounding 2)
fi
recipe() { "$python" -m training.nano "$1" --out "$out" "${@:2}"; }
together() {
  [ "$processes" = 1 ] && { recipe "$@"; return; }
  "$python" -m torch.distributed.run --standalone --nproc-per-node "$processes" -m training.nano "$1" --out "$out" "${@:2}"
}

recipe scenes "${scenes[@]}"              # random scenes, exact truth, the expert's chunks
together sft "${sft[@]}"                  # stage 1: language
together flow "${flow[@]}"                # stage 2: actions
recipe rollouts "${rollouts[@]}"          # where the policy gets itself, and what the expert would do there
together flow --round 1 "${again[@]}"     # stage 2 again
"$python" -m vlaser_ros.cli eval tabletop --checkpoint "$out/checkpoint1" "${eval[@]}"
