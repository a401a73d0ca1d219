"""As much of Ray as `apis.cluster` uses, in one process: workers that die when they are told to, in a fixed order."""
from collections import deque
from contextlib import contextmanager
from types import SimpleNamespace


class RayActorError(Exception):
    """As Ray's."""


class RayTaskError(Exception):
    """As Ray's."""

    def __init__(self, cause):
        super().__init__(str(cause))
        self.cause = cause


class Call:
    """What will hold a result; works when it is waited for."""

    def __init__(self, actor, name, arguments):
        self.actor, self.name, self.arguments, self.done = actor, name, arguments, None


class Actor:
    """Runs its calls in order; dies as of its cluster's plan."""

    def __init__(self, cluster, worker, number):
        self.cluster, self.worker, self.number, self.dead = cluster, worker, number, False
        self.enhance, self.prepare = (SimpleNamespace(remote=lambda *a, name=name: self._call(name, a))
                                      for name in ('enhance', 'prepare'))

    def _call(self, name, arguments):
        call = Call(self, name, arguments)
        self.cluster.waiting.append(call)
        return call


class StandIn:
    """A cluster.

    Args:
        dies: asked ahead of every call with the worker's number, the call's name and its task: 'before', 'after' the
            work, or nothing.
    """
    exceptions = SimpleNamespace(RayActorError=RayActorError, RayTaskError=RayTaskError)

    def __init__(self, dies=lambda number, name, task: None, cores=2):
        self.dies, self.cores, self.waiting, self.actors, self.hands = dies, cores, deque(), [], -1

    def cluster_resources(self):
        return {'CPU': float(self.cores)}

    def remote(self, **options):
        self.options = options
        return lambda kind: SimpleNamespace(remote=lambda *arguments: self._hire(kind, arguments))

    def _hire(self, kind, arguments):
        self.actors.append(Actor(self, kind(*arguments), len(self.actors)))
        return self.actors[-1]

    def wait(self, references, num_returns):
        """One call of another worker each time, so that they work side by side."""
        known = [call for call in self.waiting if call in references]
        call = next((one for one in known if one.actor.number != self.hands), known[0])
        self.hands = call.actor.number
        self.waiting.remove(call)
        return [call], [one for one in references if one is not call]

    def get(self, call):
        actor, task = call.actor, call.arguments[0] if call.arguments else None
        fate = 'before' if actor.dead else self.dies(actor.number, call.name, task)
        if fate == 'before':
            actor.dead = True
            raise RayActorError('the worker died')
        try:
            result = getattr(actor.worker, call.name)(*call.arguments)
        except Exception as error:
            raise RayTaskError(error) from error
        if fate == 'after':
            actor.dead = True
            raise RayActorError('the worker died')
        return result

    def kill(self, actor):
        actor.dead = True

    @contextmanager
    def running(self, address):
        """In the place of `running_ray`."""
        self.address = address
        yield self
