"""Registries of ISALux-MM: children of mmengine's roots in the scope `isalux_mm`.

Models, priors, experts, gates, attentions and losses share `MODELS`, as in OpenMMLab 2.x.
"""
from importlib import import_module
from typing import Any

from mmengine import registry as mmengine
from mmengine.registry import DATASETS as MMENGINE_DATASETS
from mmengine.registry import HOOKS as MMENGINE_HOOKS
from mmengine.registry import INFERENCERS as MMENGINE_INFERENCERS
from mmengine.registry import METRICS as MMENGINE_METRICS
from mmengine.registry import MODELS as MMENGINE_MODELS
from mmengine.registry import TRANSFORMS as MMENGINE_TRANSFORMS
from mmengine.registry import VISUALIZERS as MMENGINE_VISUALIZERS
from mmengine.registry import Registry, build_from_cfg, build_model_from_cfg

SCOPE = 'isalux_mm'


def build_model(cfg: Any, registry: Registry, default_args: dict | None = None) -> Any:
    """mmengine's `build_model_from_cfg`; all of mmengine.model, which that imports, is needed for lists alone."""
    build = build_model_from_cfg if isinstance(cfg, list) else build_from_cfg
    return build(cfg, registry, default_args)


class HomesRegistry(Registry):
    """A registry that imports no more than the module in which a name lives.

    A location is a package with a table `HOMES`, a module by each of its public names, or any module. What is known by
    neither, or asked for as a whole, has all of them imported, as mmengine's own registries do at once.
    """

    def get(self, key: str) -> type | None:
        """As mmengine's."""
        scope, name = self.split_scope_key(key)
        if scope not in (None, self.scope):
            return super().get(key)
        if name not in self._module_dict:
            self._import_home(name)
        return self._module_dict[name] if name in self._module_dict else super().get(key)

    @property
    def module_dict(self) -> dict[str, type]:
        """All that is registered, by name."""
        self.import_from_location()
        return self._module_dict

    def import_from_location(self) -> None:
        """Imports all that there is."""
        if not self._imported:
            super().import_from_location()
            for home in {home for location in self._locations for home in homes_of(location).values()}:
                import_module(home)

    def _import_home(self, name: str) -> None:
        home = next((homes[name] for homes in map(homes_of, self._locations) if name in homes), None)
        if home is not None:
            import_module(home)


def homes_of(location: str) -> dict[str, str]:
    """The table of a package: a module by each public name; empty where it has none."""
    return getattr(import_module(location), 'HOMES', {})


MODELS = HomesRegistry('model', build_func=build_model, parent=MMENGINE_MODELS, scope=SCOPE,
                       locations=['isalux_mm.models', 'isalux_mm.chain'])
DATASETS = Registry('dataset', parent=MMENGINE_DATASETS, scope=SCOPE, locations=['isalux_mm.datasets'])
DATA_SAMPLERS = Registry(
    'data sampler', parent=mmengine.DATA_SAMPLERS, scope=SCOPE, locations=['isalux_mm.datasets', 'mmengine.dataset'])
TRANSFORMS = Registry('transform', parent=MMENGINE_TRANSFORMS, scope=SCOPE, locations=['isalux_mm.datasets'])
METRICS = Registry('metric', parent=MMENGINE_METRICS, scope=SCOPE, locations=['isalux_mm.evaluation'])
HOOKS = Registry('hook', parent=MMENGINE_HOOKS, scope=SCOPE, locations=['isalux_mm.engine'])
OPTIM_WRAPPER_CONSTRUCTORS = Registry(
    'optimizer wrapper constructor', parent=mmengine.OPTIM_WRAPPER_CONSTRUCTORS, scope=SCOPE,
    locations=['isalux_mm.engine', 'mmengine.runner'])
OPTIM_WRAPPERS = Registry(
    'optim_wrapper', parent=mmengine.OPTIM_WRAPPERS, scope=SCOPE, locations=['isalux_mm.engine', 'mmengine.runner'])
VISUALIZERS = Registry(
    'visualizer', parent=MMENGINE_VISUALIZERS, scope=SCOPE, locations=['isalux_mm.visualization'])
INFERENCERS = Registry('inferencer', parent=MMENGINE_INFERENCERS, scope=SCOPE, locations=['isalux_mm.apis'])

LOOPS = Registry(
    'loop', parent=mmengine.LOOPS, scope=SCOPE, locations=['isalux_mm.engine', 'mmengine.runner'])

# empty children of mmengine's other roots: configs of our scope find mmengine's own classes there without a warning
for _root in (mmengine.EVALUATOR, mmengine.FUNCTIONS, mmengine.LOG_PROCESSORS,
              mmengine.MODEL_WRAPPERS, mmengine.OPTIMIZERS, mmengine.PARAM_SCHEDULERS,
              mmengine.RUNNERS, mmengine.RUNNER_CONSTRUCTORS, mmengine.VISBACKENDS, mmengine.WEIGHT_INITIALIZERS):
    Registry(_root.name, parent=_root, scope=SCOPE, locations=['mmengine.runner', 'mmengine.visualization'])
