"""The lessons' notation for formulas as MathML. tests/layers/README.md says what there is; anything else is an error.

    y[i] = sum over j of w[i,j] * x[j] + b[i]        dL/dx = (L(x + h) - L(x - h)) / (2 * h), "if" x > 0

A line that begins with = or + goes on with the line above.
"""
import re
from html import escape

TOKEN = re.compile(r'\s*(?:"([^"]*)"|(\d+(?:\.\d+)?(?:e-?\d+)?)|([A-Za-z][A-Za-z0-9]*(?:_[A-Za-z0-9]+)?\'?)|(\.\.\.|<=|>=|!=|->|\+=|[-+*/^=<>()\[\],;|{}:]))')
MATRIX = re.compile(r"^[A-Z](_\w+)?'?$")
RELATIONS = {"=": "=", "<": "&lt;", ">": "&gt;", "<=": "≤", ">=": "≥", "!=": "≠", "->": "→", "+=": "+="}
LETTERS = {"mu": "μ", "sigma": "σ", "eps": "ε", "alpha": "α", "beta": "β", "gamma": "γ", "lambda": "λ", "theta": "θ",
           "delta": "δ", "Delta": "Δ", "pi": "π", "phi": "φ", "rho": "ρ", "tau": "τ", "infinity": "∞"}
OVER = {"sum": "<mo>∑</mo>", "mean": "<mi>mean</mi>", "max": "<mi>max</mi>", "min": "<mi>min</mi>"}
FENCES = {"abs": ("|", "|"), "norm": ("‖", "‖"), "dot": ("⟨", "⟩"), "floor": ("⌊", "⌋"), "ceil": ("⌈", "⌉")}


class BadFormula(Exception):
    """Something that the notation does not have."""


def tokens(line):
    found, at = [], 0
    while line[at:].strip():
        match = TOKEN.match(line, at)
        if not match:
            raise BadFormula(f"{line[at:].strip()[:20]!r} in {line!r}")
        text, number, name, sign = match.groups()
        found.append(("text", text) if text is not None else ("number", number) if number else ("name", name) if name
                     else ("sign", sign))
        at = match.end()
    return found


class Parser:
    """One line of a formula."""

    def __init__(self, line):
        self.line, self.tokens, self.at = line, tokens(line), 0

    def peek(self, ahead=0):
        return self.tokens[self.at + ahead] if self.at + ahead < len(self.tokens) else ("end", "")

    def take(self, value=None):
        kind, got = self.peek()
        if value is not None and got != value:
            raise BadFormula(f"{got!r} where {value!r} belongs, in {self.line!r}")
        self.at += 1
        return kind, got

    def items(self, end=""):
        """Relations, texts and commas in turn, up to the end or a bracket. A line may begin with the + of a longer sum."""
        out, after_a_value = [], False
        if self.peek() == ("sign", "+"):
            out.append(f"<mspace width='2em'/><mo>{self.take()[1]}</mo>")
        while self.peek() != ("end", "") and not (end and self.peek() == ("sign", end)):
            kind, value = self.peek()
            if kind == "text":
                self.take()
                out.append(f'<mtext>&nbsp;{escape(value)}&nbsp;</mtext>')
            elif kind == "sign" and value in RELATIONS:
                self.take()
                out.append(f"<mo>{RELATIONS[value]}</mo>")
            elif kind == "sign" and value in ",;":
                self.take()
                out.append(f'<mo separator="true">{value}</mo>' + ("" if end else '<mspace width="1em"/>'))
            elif after_a_value:
                raise BadFormula(f"{value!r} follows a value without a sign between them, in {self.line!r}")
            else:
                out.append(self.sum())
                after_a_value = True
                continue
            after_a_value = False
        return "".join(out)

    def sum(self):
        out = self.product()
        while self.peek() in (("sign", "+"), ("sign", "-")):
            out += f"<mo>{self.take()[1].replace('-', '−')}</mo>" + self.product()
        return out

    def product(self):
        """With signs between, but for a matrix, a capital letter, in front of a name: A v."""
        start = self.at
        out = self.quotient()
        while True:
            if self.peek() == ("sign", "*"):
                self.take()
                out += "<mo>⋅</mo>"
            elif not (MATRIX.match(self.tokens[self.at - 1][1]) and self.at > start and self.peek()[0] == "name"):
                return out
            out += self.quotient()

    def quotient(self):
        start = self.at
        out = self.power()
        while self.peek() == ("sign", "/"):
            above = self.without_brackets(start, out)
            self.take()
            start_below = self.at
            below = self.power()
            out = f"<mfrac><mrow>{above}</mrow><mrow>{self.without_brackets(start_below, below)}</mrow></mfrac>"
        return out

    def without_brackets(self, start, out):
        """A fraction's bar groups what brackets grouped in the line."""
        if self.tokens[start] == ("sign", "(") and out.startswith("<mrow><mo>(</mo>") and out.endswith("<mo>)</mo></mrow>"):
            return out[len("<mrow><mo>(</mo>"):-len("<mo>)</mo></mrow>")]
        return out

    def power(self):
        out = self.base()
        if self.peek() == ("sign", "^"):
            self.take()
            start = self.at
            out = f"<msup><mrow>{out}</mrow><mrow>{self.without_brackets(start, self.base())}</mrow></msup>"
        return out

    def base(self):
        kind, value = self.take()
        if kind == "text":
            return f"<mtext>{escape(value)}</mtext>"
        if kind == "number":
            return f"<mn>{value}</mn>"
        if kind == "name":
            return self.name(value)
        if value == "-":
            after_a_sign = self.at > 1 and self.tokens[self.at - 2] in (("sign", "+"), ("sign", "-"), ("sign", "*"))
            negative = "<mo>−</mo>" + self.power()
            return f"<mrow><mo>(</mo>{negative}<mo>)</mo></mrow>" if after_a_sign else negative
        if value == "...":
            return "<mo>…</mo>"
        if value == "(":
            inside = self.items(")")
            self.take(")")
            return f"<mrow><mo>(</mo>{inside}<mo>)</mo></mrow>"
        raise BadFormula(f"{value or 'nothing'!r} where a number, a name or a bracket belongs, in {self.line!r}")

    def name(self, name):
        if name in OVER and self.peek() == ("name", "over"):
            self.take()
            over = self.base()
            self.take("of")
            return f"<munder>{OVER[name]}<mrow>{over}</mrow></munder><mspace width='.2em'/>" + self.product()
        if self.peek() == ("sign", "("):
            return self.call(name)
        out = letter(name)
        if self.peek() == ("sign", "["):
            self.take()
            inside = self.items("]")
            self.take("]")
            out = f"<msub>{out}<mrow>{inside}</mrow></msub>"
        return out

    def call(self, name):
        self.take("(")
        inside = self.items(")")
        self.take(")")
        if name == "sqrt":
            return f"<msqrt>{inside}</msqrt>"
        left, right = FENCES.get(name, ("(", ")"))
        fenced = f"<mrow><mo>{left}</mo>{inside}<mo>{right}</mo></mrow>"
        return fenced if name in FENCES else f"{letter(name)}<mo>&#8289;</mo>{fenced}"


def letter(name):
    """A name with its Greek letter, its prime and its index."""
    prime = name.endswith("'")
    name, _, index = name.rstrip("'").partition("_")
    out = f"<mi>{LETTERS.get(name, name)}</mi>"
    if index:
        out = f"<msub>{out}<mi>{LETTERS.get(index, index)}</mi></msub>" if not index.isdigit() else \
            f"<msub>{out}<mn>{index}</mn></msub>"
    return f"<msup>{out}<mo>′</mo></msup>" if prime else out


def mathml(lines):
    """A block of lines, aligned at their first relation."""
    rows = []
    for line in lines:
        parser = Parser(line)
        goes_on = parser.peek() in (("sign", "="), ("sign", "+")) or parser.peek()[0] == "text"
        left = "" if goes_on else parser.sum()
        rows.append(f"<mtr><mtd>{left}</mtd><mtd>{parser.items()}</mtd></mtr>")
        if parser.peek()[0] != "end":
            raise BadFormula(f"{parser.peek()[1]!r} is left over in {line!r}")
    return f'<math display="block"><mtable displaystyle="true">{"".join(rows)}</mtable></math>'
