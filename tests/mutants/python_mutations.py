"""Small changes to a Python module that a test should notice.

Each is a replacement of some bytes of the source, so that what is shown is what was run.
"""

import ast
import contextlib
import re
from typing import Final

from tests.mutants import sql_mutations
from tests.mutants.mutation import Mutation

_COMPARISONS: Final[dict[type[ast.cmpop], tuple[bytes, bytes]]] = {
    ast.Lt: (rb"<", b"<="),
    ast.LtE: (rb"<=", b"<"),
    ast.Gt: (rb">", b">="),
    ast.GtE: (rb">=", b">"),
    ast.Eq: (rb"==", b"!="),
    ast.NotEq: (rb"!=", b"=="),
    ast.Is: (rb"\bis\b", b"is not"),
    ast.IsNot: (rb"\bis\s+not\b", b"is"),
    ast.In: (rb"\bin\b", b"not in"),
    ast.NotIn: (rb"\bnot\s+in\b", b"in"),
}
_ARITHMETIC: Final[dict[type[ast.operator], tuple[bytes, bytes]]] = {
    ast.Add: (rb"\+", b"-"),
    ast.Sub: (rb"-", b"+"),
    ast.Mult: (rb"\*", b"/"),
    ast.Div: (rb"/", b"*"),
    ast.FloorDiv: (rb"//", b"*"),
    ast.Mod: (rb"%", b"*"),
    ast.Pow: (rb"\*\*", b"*"),
    ast.LShift: (rb"<<", b">>"),
    ast.RShift: (rb">>", b"<<"),
    ast.BitAnd: (rb"&", b"|"),
    ast.BitOr: (rb"\|", b"&"),
}
_FUNCTIONS: Final = {"min": "max", "max": "min", "any": "all", "all": "any"}
# One literal, or several that stand beside one another.
_LITERAL: Final = re.compile(r'(?P<quote>f?("""|"))(?P<text>.*)\2', re.DOTALL)
_Function = ast.FunctionDef | ast.AsyncFunctionDef


def mutations(path: str, source: bytes, functions: tuple[str, ...] = ()) -> list[Mutation]:
    """All mutations of a module, or only of some of its ``functions``, in the order of the text."""
    finder = _Finder(path, source)
    finder.visit(ast.parse(source))
    found = {(each.start, each.end, each.new): each for each in finder.found}
    return sorted(
        (each for each in found.values() if not functions or each.function in functions),
        key=lambda each: (each.start, each.end, each.new),
    )


class _Finder(ast.NodeVisitor):
    def __init__(self, path: str, source: bytes) -> None:
        self.found: list[Mutation] = []
        self._path = path
        self._source = source
        starts = [0]
        for line in source.splitlines(keepends=True):
            starts.append(starts[-1] + len(line))
        self._starts = starts
        self._scope: list[str] = []
        self._in_function = False
        self._lines = (1, 1)

    # Where a node is.

    def _span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return (
            self._starts[node.lineno - 1] + node.col_offset,
            self._starts[node.end_lineno - 1] + node.end_col_offset,
        )

    def _text(self, node: ast.expr | ast.stmt) -> bytes:
        start, end = self._span(node)
        return self._source[start:end]

    def _add(self, start: int, end: int, new: bytes) -> None:
        function = ".".join(self._scope)
        self.found.append(Mutation(self._path, function, self._lines, start, end, new))

    def _replace(self, node: ast.expr | ast.stmt, new: bytes) -> None:
        self._add(*self._span(node), new)

    def _between(self, left: ast.expr, right: ast.expr, pattern: bytes, new: bytes) -> None:
        """Replace the operator between two operands."""
        start, end = self._span(left)[1], self._span(right)[0]
        match = re.search(pattern, self._source[start:end])
        if match:
            self._add(start + match.start(), start + match.end(), new)

    # Statements.

    def visit(self, node: ast.AST) -> None:
        if isinstance(node, ast.stmt):
            self._visit_statement(node)
        else:
            super().visit(node)

    def _visit_statement(self, node: ast.stmt) -> None:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self._visit_function(node)
            case ast.ClassDef():
                # Fields' defaults belong to the class, and tests hold objects of it.
                self._scope.append(node.name)
                for each in node.body:
                    if isinstance(each, _Function):
                        self._visit_function(each)
                self._scope.pop()
            case ast.Import() | ast.ImportFrom() | ast.Assert():
                pass
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                pass
            case _:
                self._visit_plain(node)

    def _visit_function(self, node: _Function) -> None:
        self._scope.append(node.name)
        outer, self._in_function = self._in_function, True
        body = node.body[1:] if ast.get_docstring(node) is not None else node.body
        for each in body:
            self.visit(each)
        self._in_function = outer
        self._scope.pop()

    def _visit_plain(self, node: ast.stmt) -> None:
        """The statement's own expressions first, each with the lines of its own; then its body."""
        if self._in_function:
            self._leave_out(node)
        for _, value in ast.iter_fields(node):
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.stmt):
                    self.visit(child)
                elif isinstance(child, ast.expr):
                    self._visit_expression(node, child)
                elif isinstance(child, ast.AST):
                    self._visit_part(node, child)

    def _visit_part(self, node: ast.stmt, part: ast.AST) -> None:
        """A handler, a case, a context manager: expressions and statements of its own."""
        if isinstance(part, ast.match_case):
            self._never_match(part)
        for child in ast.iter_child_nodes(part):
            if isinstance(child, ast.stmt):
                self.visit(child)
            elif isinstance(child, ast.expr):
                self._visit_expression(node, child)

    def _visit_expression(self, node: ast.stmt, child: ast.expr) -> None:
        if isinstance(node, ast.AnnAssign) and child is node.annotation:
            return
        if isinstance(node, ast.Expr) and isinstance(child, ast.Constant):
            return
        simple = not isinstance(node, ast.If | ast.While | ast.For | ast.With | ast.Try | ast.Match)
        last = node.end_lineno if simple else child.end_lineno
        self._lines = (child.lineno if not simple else node.lineno, last or node.lineno)
        self.visit(child)
        if isinstance(node, ast.If | ast.While):
            self._turn_round(node.test)

    def _leave_out(self, node: ast.stmt) -> None:
        self._lines = (node.lineno, node.end_lineno or node.lineno)
        match node:
            case ast.Expr(value=ast.Call() | ast.Await()) if b"_log." not in self._text(node):
                self._replace(node, b"pass")
            case ast.AugAssign() | ast.Raise() | ast.Continue():
                self._replace(node, b"pass")
            case ast.Break():
                self._replace(node, b"continue")
            case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
                if self._scope[-1] != "__init__":
                    self._replace(node, b"pass")
            case _:
                pass

    def _never_match(self, case: ast.match_case) -> None:
        pattern = case.pattern
        if case.guard is None and not (isinstance(pattern, ast.MatchAs) and pattern.name is None):
            self._lines = (pattern.lineno, pattern.end_lineno)
            end = self._starts[pattern.end_lineno - 1] + pattern.end_col_offset
            self._add(end, end, b" if False")

    # Expressions.

    def _turn_round(self, test: ast.expr) -> None:
        if not isinstance(test, ast.Compare | ast.BoolOp | ast.UnaryOp | ast.Constant):
            start, end = self._span(test)
            self._add(start, end, b"not (" + self._source[start:end] + b")")

    def visit_Compare(self, node: ast.Compare) -> None:
        operands = [node.left, *node.comparators]
        for place, operator in enumerate(node.ops):
            pattern, new = _COMPARISONS[type(operator)]
            self._between(operands[place], operands[place + 1], pattern, new)
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        # A test that notices a missing term also notices "and" in place of "or".
        both = isinstance(node.op, ast.And)
        for value in node.values:
            # "x or None" is as good as "x or False".
            if both or not (isinstance(value, ast.Constant) and not value.value):
                self._replace(value, b"True" if both else b"False")
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.Not):
            start, _ = self._span(node)
            self._add(start, start + len(b"not"), b"")
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        # Outside a function, "|" makes types and flags.
        if type(node.op) in _ARITHMETIC and (self._in_function or type(node.op) is not ast.BitOr):
            pattern, new = _ARITHMETIC[type(node.op)]
            self._between(node.left, node.right, pattern, new)
        self.generic_visit(node)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self._turn_round(node.test)
        self.generic_visit(node)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        for test in node.ifs:
            self._turn_round(test)
            self._replace(test, b"True")
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        match node.func:
            case ast.Name(id=name) if name in _FUNCTIONS:
                self._replace(node.func, _FUNCTIONS[name].encode())
            case ast.Attribute(attr="where"):
                # A condition of a query that SQLAlchemy writes.
                for argument in node.args:
                    self._replace(argument, b"True")
            case _:
                pass
        self.generic_visit(node)

    def visit_keyword(self, node: ast.keyword) -> None:
        # With ``strict``, zip only makes sure of what is so anyway.
        if node.arg != "strict":
            self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self._visit_sql(node)
        elif not self._in_function:
            # A number outside a function is a limit or a row of a table: data, not logic.
            return
        elif isinstance(node.value, bool):
            self._replace(node, str(not node.value).encode())
        elif isinstance(node.value, int):
            self._replace(node, str(node.value + 1).encode())
            if node.value == 1:
                self._replace(node, b"0")
        elif isinstance(node.value, float):
            self._replace(node, str(node.value + 1).encode())

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        if not self._visit_sql(node):
            self.generic_visit(node)

    def _visit_sql(self, node: ast.Constant | ast.JoinedStr) -> bool:
        """Mutate a string that is SQL, as it stands in the source; whether it is SQL."""
        whole = _LITERAL.fullmatch(self._text(node).decode())
        if whole is None or not sql_mutations.is_statement(whole["text"]):
            return False
        text, begin = whole["text"], self._span(node)[0] + len(whole["quote"])
        for each in sql_mutations.mutations(text):
            start = begin + len(text[: each.start].encode())
            end = begin + len(text[: each.end].encode())
            self._add(start, end, each.new.encode())
        return True

    def visit_FormattedValue(self, node: ast.FormattedValue) -> None:
        """Before Python 3.12 positions inside an f-string are right only sometimes."""
        with contextlib.suppress(SyntaxError, IndexError):
            there = ast.parse(self._text(node.value), mode="eval").body
            if ast.dump(there) == ast.dump(node.value):
                self.visit(node.value)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self.visit(node.body)
