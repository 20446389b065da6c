from services.facecrop.app import Settings, build

from kit.lifecycle import run

run("facecrop", Settings, build)
