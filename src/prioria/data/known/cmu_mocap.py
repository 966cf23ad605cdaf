"""cmu-mocap: poses of people walking, jogging, punching, balancing and kicking, from motion capture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prioria.data.base import Dataset, Protocol
from prioria.data.files import File
from prioria.data.formats import read_mat
from prioria.data.known.base import KnownSet
from prioria.data.known.skeleton import Skeleton, read_amc, read_asf
from prioria.data.splits import assemble, assemble_random

MOVEMENTS = ("walking", "jogging", "punching", "balancing", "kicking")
STILL_BONES = ("root", "rclavicle", "lclavicle", "rfingers", "lfingers")
STRIDE = 4
SIZES, SUBJECT_35_SIZES = (3120, 389, 389), (2380, 264, 169)

PROTOCOL = Protocol(
    name="cmu-mocap",
    title="CMU motion capture, five movements",
    shape=(50,),
    kind="continuous",
    binarization="none",
    likelihoods=("Gaussian",),
    split="random 80 / 10 / 10 % of 3,898 frames of 19 trials, 30 frames a second (seed 0)",
    source="mocap.cs.cmu.edu, created with funding from NSF EIA-0196217",
    note="The trials cover the five movements of Klushyn et al. 2019 but are not theirs, which are not known: no "
    "published number is comparable. The 50 channels are the 62 without root position and orientation, clavicles "
    "and fingers, each scaled to [0, 1]; densities are in those units. Neighboring frames are near-duplicates.",
    classes=MOVEMENTS,
    skeleton="cmu-mocap/35/35.asf",
)
SUBJECT_35_PROTOCOL = replace(
    PROTOCOL,
    name="cmu-mocap-35",
    title="CMU motion capture, subject 35",
    split="2,380 / random 264 of the training frames / 169 frames of trials 18 (jog) and 29 (walk)",
    source="mocap.cs.cmu.edu; frames and split of Taylor, Hinton, Roweis 2006 as kept by N. Lawrence (GPmat)",
    note="30 frames a second. Channels and scaling as for cmu-mocap, so densities compare only within prioria.",
    classes=MOVEMENTS[:2],
)
SKELETONS = {
    "02": "c50c9cf21fa50dcea0b597e8caf5a2191975cd20999935cc50ab60d44382de9b",
    "07": "f1fbd8abcd9073d24189d5f33b7220974b0ac4b5223fabbb0cc07799ec7a93b3",
    "09": "cc3aab1866fe8149dda70fbbee7cfe2d45506ea38bef31122ac97f94505a33ce",
    "35": "9b4888836cbd13cdab14a86c53a6b7765ccae48ddc7075d8c5e03ac34bc08364",
    "49": "2ec64642c51f344a5ef7cce72e81b60f0371ffd6d017ad2c2670848144a66ea6",
    "135": "1c3c89c365afaaa55c04e623d592f6780d6f3fe5fba6c8cfaadcb2f1c5b03d94",
}
TRIALS = (
    ("02_01", "walking", "e196f67e5cee0bb575e2ed105082231166a13f81f6ff7b460f6078ed66c8e43a"),
    ("02_02", "walking", "c0905969083149ff73b52a26d2121c889081a6b19aa743173dd1d575e31ec697"),
    ("02_03", "jogging", "a79e7127adfefb15566093a02d3e030cb67cd6c9e9773be95cc26c66b908aad0"),
    ("02_04", "balancing", "df7ef2d70ee02a2ff3a207b940b5c19087e0a1d2ebb26610636fc748cabe8b95"),
    ("02_05", "punching", "103e39b8ee98bf7e4f5a1e9a383f1ca060af1c2f2605035ea2b6c28acf95315a"),
    ("07_01", "walking", "97cdb8296c5a9a37a2eaca7ce214b9dbaef49016f7e28c22c5b74688fcd8e0e3"),
    ("07_02", "walking", "8cd7cbba57ed6675dd647c9427ba6f7b676d514c4e7e4ad6d27c7d10a665df68"),
    ("07_09", "walking", "bf88877c6536b3be688b3ca86c1caffeb91162ccd3fbde56e7ef1c73ab149196"),
    ("07_10", "walking", "523d0dd6d58c66eb9ba301193cbbcb6f4bf006f196f7edffde83d1965f0902fc"),
    ("07_11", "walking", "7c6245129270f6f378745f41631ba6dcdc45969d3c05e1e7386c4dc534457c24"),
    ("09_06", "jogging", "00e5ba506ae51456f75a46037a05e8a1ed60b07d0ae9539f43f2e543044121a3"),
    ("35_01", "walking", "efe882ca211915da0c70d7a1ac565660c75e373171f64e199ede283b921850d3"),
    ("49_18", "balancing", "4ca7fcb615932fa574727c831729796d297db7955a24994cbd7a2b8c5e24be3e"),
    ("49_19", "balancing", "c330dcad64e40dd8202e9b2617d936ba5b4109a45e0a4f0cae7ad6c0d67b9c34"),
    ("49_20", "balancing", "32a9c2f55023c5a12969ad10cf0c834eedaeea5a476ac9e020d58162196a3a65"),
    ("135_04", "kicking", "4738dfce943b07987705afeaf422dee44474db1614c948c2597f3f4c031455cd"),
    ("135_07", "kicking", "bcef17ce2d86daeeb619e1d1b88f8228a469cc8b2189fa7cfbcf4965be6925da"),
    ("135_09", "punching", "dda97f304657b274dadb257eab1a1697699fe7f3c85d9a98f6ce7a500440774c"),
    ("135_11", "kicking", "64a1f49020429be45a727017f8cd305979a2886bd212974df3d0f91351f121f2"),
)


def _subject(trial: str) -> str:
    return trial.partition("_")[0]


def _text(subject: str, name: str, checksum: str) -> File:
    address = f"http://mocap.cs.cmu.edu/subjects/{subject}/{name}"
    return File(f"cmu-mocap/{subject}/{name}", f"text:{checksum}", address)


SKELETON_FILES = {subject: _text(subject, f"{subject}.asf", known) for subject, known in SKELETONS.items()}
TRIAL_FILES = {name: _text(_subject(name), f"{name}.amc", known) for name, _, known in TRIALS}
SUBJECT_35_FILE = File(
    "cmu-mocap/35/cmu35WalkJog.mat",
    "sha256:50db534501bdfb1611153e3b5d122fc08b0c42ea159e875d5656ec13fa11a353",
    "https://github.com/SheffieldML/GPmat/raw/4b5914a38ecbad9fb7a13a3392970bfc28c9d911/datasets/data/cmu35WalkJog.mat",
)


def read_skeleton(root: Path, subject: str = "35") -> Skeleton:
    """The skeleton of a subject; all have the same bones and channels, in other lengths."""
    return read_asf(SKELETON_FILES[subject].locate(root))


def read_trial(root: Path, name: str) -> NDArray:
    """The poses (T, 62) of a trial such as "35_01", 120 frames a second, in degrees."""
    return read_amc(TRIAL_FILES[name].locate(root), read_skeleton(root, _subject(name)))


def moving(skeleton: Skeleton) -> NDArray:
    """Numbers (50,) of the channels that the data sets keep."""
    return np.flatnonzero([channel.split()[0] not in STILL_BONES for channel in skeleton.channels])


def _scaled_to_unit(protocol: Protocol, frames: NDArray, skeleton: Skeleton) -> Protocol:
    low, span = frames.min(0), np.ptp(frames, axis=0)
    channels = tuple(skeleton.channels[number] for number in moving(skeleton))
    return replace(protocol, shift=tuple((-low).tolist()), scale=tuple(span.tolist()), channels=channels)


def read(root: Path, seed: int) -> Dataset:
    """The seed is that of the split."""
    skeleton = read_skeleton(root)
    kept = moving(skeleton)
    frames = [read_trial(root, name)[::STRIDE, kept] for name, _, _ in TRIALS]
    numbers = [MOVEMENTS.index(movement) for _, movement, _ in TRIALS]
    labels = np.repeat(numbers, [len(trial) for trial in frames])
    rows = np.concatenate(frames)
    return assemble_random(_scaled_to_unit(PROTOCOL, rows, skeleton), rows, labels, SIZES, seed)


def read_subject_35(root: Path, seed: int) -> Dataset:
    """The seed says which training frames validate."""
    skeleton = read_skeleton(root)
    kept = moving(skeleton)
    frames, trials, test, test_trials = read_mat(SUBJECT_35_FILE.locate(root), "Y", "lbls", "Ytest", "lblstest")
    names = np.array([*range(1, 18), *range(19, 27), 28, *range(30, 35)])
    jogging = (names >= 17) & (names <= 26)
    labels, test_labels = jogging[trials.argmax(1)], np.array([True, False])[test_trials.argmax(1)]
    rows = frames[:, kept]
    protocol = _scaled_to_unit(SUBJECT_35_PROTOCOL, np.concatenate([rows, test[:, kept]]), skeleton)
    order = np.random.default_rng(seed).permutation(len(rows))
    train, validation = np.split(order, [SUBJECT_35_SIZES[0]])
    return assemble(
        protocol,
        (rows[train], labels[train]),
        (rows[validation], labels[validation]),
        (test[:, kept], test_labels),
    )


CMU_MOCAP = KnownSet(PROTOCOL, SIZES, read, (*SKELETON_FILES.values(), *TRIAL_FILES.values()))
CMU_MOCAP_35 = KnownSet(SUBJECT_35_PROTOCOL, SUBJECT_35_SIZES, read_subject_35, (SKELETON_FILES["35"], SUBJECT_35_FILE))
