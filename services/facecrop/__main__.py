from kit.lifecycle import run
from services.facecrop.app import build
from services.facecrop.settings import Settings

run("facecrop", Settings, build)
