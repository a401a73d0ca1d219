"""Hooks of the documentation site: pages that are made while it is built, and links that leave docs/.

The API reference has a page for every public module, made from the package's tree; README, CONTRIBUTING and CHANGELOG
stand in the root, where a repository wants them, and become pages too. Nothing is listed or copied by hand.
"""
import ast
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = 'isalux_mm'
# files of the root that become pages: their name there, their page
ROOT_PAGES = {'README.md': 'overview.md', 'CONTRIBUTING.md': 'contributing.md', 'CHANGELOG.md': 'changelog.md'}
FENCE = re.compile(r'^(```.*?^```)', re.MULTILINE | re.DOTALL)
LINK = re.compile(r'(!?)\[([^\]]*)\]\(([^)\s]+)\)')


def public_modules(package: Path) -> list[str]:
    """Dotted names of a package and everything inside it that has no leading underscore, in alphabetical order."""
    names = set()
    for path in package.rglob('*.py'):
        parts = path.relative_to(package.parent).with_suffix('').parts
        parts = parts[:-1] if parts[-1] == '__init__' else parts
        if not any(part.startswith('_') for part in parts):
            names.add('.'.join(parts))
    return sorted(names)


def public_names(source: str) -> dict[str, str]:
    """What a package's `__init__` re-exports by `__all__`: each name, and the dotted path that it is imported from."""
    listed: list[str] = []
    homes = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            homes.update({alias.asname or alias.name: f'{node.module}.{alias.name}' for alias in node.names})
        elif isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ['__all__']:
            listed = ast.literal_eval(node.value)
    return {name: homes[name] for name in listed if name in homes}


def exported(module: str) -> dict[str, str]:
    """What a module re-exports: each name, and the dotted path of what defines it."""
    init = ROOT / module.replace('.', '/') / '__init__.py'
    names = public_names(init.read_text(encoding='utf-8')) if init.is_file() else {}
    return {name: exported(home.rpartition('.')[0]).get(name, home) for name, home in names.items()}


def api_text(module: str) -> str:
    """A module's page. A package names what it re-exports, each with a link to where it is described."""
    names = exported(module)
    text = f'# `{module}`\n\n::: {module}\n'
    if names:
        text += '    options: {members: false}\n\n## Public names\n\n'
        text += ''.join(f'- [`{name}`][{home}]\n' for name, home in names.items())
    return text


def api_page(module: str) -> str:
    """Path of a module's page."""
    return f'api/{module}.md'


def api_nav(modules: list[str], package: str = PACKAGE) -> list[Any]:
    """Navigation of the API reference: a package's own page first, then its modules and packages."""
    children = [name for name in modules if name.rpartition('.')[0] == package]
    nested = [{name.rpartition('.')[2]: api_nav(modules, name)} if any(n.startswith(f'{name}.') for n in modules)
              else {name.rpartition('.')[2]: api_page(name)} for name in children]
    return [api_page(package), *nested]


def relinked(markdown: str, page: str, source: str, repository: str) -> str:
    """A page's text with the links that leave docs/ sent to where they lead on the site.

    A link to a file of the root that is a page goes to that page, one to another file of the repository to
    the repository's own site, or becomes plain text while the site's config names none.

    Args:
        markdown: text of the page.
        page: the page's path below docs/.
        source: folder that its links start from, relative to the root: `docs`, or nothing for a file of the root.
        repository: address of the repository's files, or nothing.
    """
    def send(match: re.Match) -> str:
        image, text, target = match.groups()
        name, hash_, anchor = target.partition('#')
        if '://' in target or not name:
            return match[0]
        path = posixpath.normpath(posixpath.join(source, name))
        if path in ROOT_PAGES or path.startswith('docs/'):
            inside = ROOT_PAGES.get(path, path.removeprefix('docs/'))
            return f'{image}[{text}]({posixpath.relpath(inside, posixpath.dirname(page) or ".")}{hash_}{anchor})'
        return f'{image}[{text}]({repository}/{path}{hash_}{anchor})' if repository else text

    # odd parts are fenced code
    return ''.join(part if k % 2 else LINK.sub(send, part) for k, part in enumerate(FENCE.split(markdown)))


def made_pages() -> Iterator[tuple[str, str]]:
    """Path below docs/ and text of every page that is made."""
    for name, page in ROOT_PAGES.items():
        yield page, (ROOT / name).read_text(encoding='utf-8')
    for module in public_modules(ROOT / PACKAGE):
        yield api_page(module), api_text(module)


def on_config(config: Any) -> Any:
    """Adds the made pages to the navigation."""
    modules = public_modules(ROOT / PACKAGE)
    overview, *others = ROOT_PAGES.values()
    config.nav = [config.nav[0], overview, *config.nav[1:], {'API reference': api_nav(modules)}, {'Project': others}]
    return config


def on_files(files: Any, config: Any) -> Any:
    """Adds the made pages to the site."""
    from mkdocs.structure.files import File  # not needed by the tests of what stands above

    for page, text in made_pages():
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Sends links that leave docs/ to where they lead."""
    path = page.file.src_uri
    repository = f'{config.repo_url.rstrip("/")}/blob/main' if config.repo_url else ''
    source = '' if path in ROOT_PAGES.values() else posixpath.join('docs', posixpath.dirname(path))
    return relinked(markdown, path, source, repository)
