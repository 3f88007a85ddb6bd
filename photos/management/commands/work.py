"""`manage.py work QUEUE`: a worker that is looked after."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from photos import queues
from photos.services import indexing
from photos.working import child
from photos.working.parent import Supervisor


class Command(BaseCommand):
    help = "Do the jobs of a queue; starts again what dies, and finds again what Redis lost."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("queue", choices=queues.QUEUE_NAMES)
        parser.add_argument("--burst", action="store_true", help="end when nothing is left to do")
        parser.add_argument("--check", action="store_true", help="only say whether this machine has such a worker")
        parser.add_argument("--child-of", type=int, metavar="PID", help="for the supervisor's own use")

    def handle(self, *args: Any, queue: queues.QueueName, burst: bool, child_of: int | None, **options: Any) -> None:
        if options["check"]:
            self._check(queue)
        elif child_of is not None:
            child.end_with_parent(child_of)
            child.give_way(queue)
            child.work(queue)
        elif burst:
            indexing.reconcile()
            child.work(queue, burst=True)
        else:
            Supervisor(queue).run()

    def _check(self, queue: queues.QueueName) -> None:
        """For a container's health check: Redis remembers a worker for as long as it gives signs of life."""
        if not queues.is_worked_here(queue):
            raise CommandError(f"no worker of the queue {queue!r} lives on this machine")
        self.stdout.write(f"the queue {queue!r} has a worker on this machine")
