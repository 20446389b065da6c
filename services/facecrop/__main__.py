from kit.lifecycle import run
from services.facecrop.app import Settings, build

run("facecrop", Settings, build)
