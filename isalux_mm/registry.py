"""Registries of ISALux-MM: children of mmengine's roots in the scope `isalux_mm`.

Models, priors, experts, gates, attentions and losses share `MODELS`, as in OpenMMLab 2.x.
"""
from mmengine import registry as mmengine
from mmengine.registry import DATASETS as MMENGINE_DATASETS
from mmengine.registry import HOOKS as MMENGINE_HOOKS
from mmengine.registry import INFERENCERS as MMENGINE_INFERENCERS
from mmengine.registry import METRICS as MMENGINE_METRICS
from mmengine.registry import MODELS as MMENGINE_MODELS
from mmengine.registry import TRANSFORMS as MMENGINE_TRANSFORMS
from mmengine.registry import VISUALIZERS as MMENGINE_VISUALIZERS
from mmengine.registry import Registry

SCOPE = 'isalux_mm'

MODELS = Registry('model', parent=MMENGINE_MODELS, scope=SCOPE, locations=['isalux_mm.models', 'isalux_mm.chain'])
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
