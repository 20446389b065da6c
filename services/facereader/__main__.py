from kit.lifecycle import run
from services.facereader.app import build
from services.facereader.settings import Settings

run("facereader", Settings, build)
