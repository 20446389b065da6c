from kit.lifecycle import run
from services.presets.app import build
from services.presets.settings import Settings

run("presets", Settings, build)
