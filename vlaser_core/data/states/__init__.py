"""Episodes that a simulator outside of this project recorded, with its state: the in-domain questions about its pictures.

    recording = read_recording(Path("datasets/simpler/widowx_spoon_on_towel/episode-000000"))
    truth = Scenes(recording, load_things()).truth(12)

A recorder beside the simulator (`sim_bridge/states`) writes what the simulator knows: pictures, which thing each pixel shows, poses,
contacts. From here on it is the same as with the embedded tabletop: a `SceneTruth`, the families, the checker. numpy and opencv
alone; no simulator. The layout is in `recording.py`, the things' words in `config/data/states/things.yaml`.
"""

from vlaser_core.data.states.recording import Recording, read_recording, write_recording
from vlaser_core.data.states.scenes import Scenes
from vlaser_core.data.states.things import Things, load_things

__all__ = ["Recording", "Scenes", "Things", "load_things", "read_recording", "write_recording"]
