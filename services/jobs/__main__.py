from kit.lifecycle import run
from services.jobs.app import build
from services.jobs.settings import Settings

run("jobs", Settings, build)
