"""`isalux models`: the models that travel with the package."""
import argparse


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Adds the parser of the sub-command."""
    subparsers.add_parser('models', help='list the packaged models',
                          description='Lists the models that work by name, without config or download.')


def run(args: argparse.Namespace) -> int:
    """Prints name, size and description of every model; the default is marked with a star."""
    from isalux_mm.model_zoo import DEFAULT_MODEL, packaged_models
    for model in packaged_models().values():
        mark = '*' if model.name == DEFAULT_MODEL else ' '
        print(f'{mark} {model.name}  {model.weights.stat().st_size / 2**20:.1f} MiB\n    {model.summary}')
    print('* used by default; any config file works too, with --weights')
    return 0
