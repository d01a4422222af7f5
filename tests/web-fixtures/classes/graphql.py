"""A server of GraphQL that tells its schema: fields whose arguments come into statements and commands."""
import json
import shlex
from graphql import (
    GraphQLArgument, GraphQLField, GraphQLInputObjectField, GraphQLInputObjectType, GraphQLInt, GraphQLNonNull,
    GraphQLObjectType, GraphQLSchema, GraphQLString, graphql,
)
from fixture import Case, Page, escape, page
from classes import sql
from classes.command import CONTEXTS, run

ANSWER = GraphQLObjectType("Answer", {"text": GraphQLField(GraphQLString), "length": GraphQLField(GraphQLInt)})
# Weakness, its context, what is shown.
TABLE = [
    ("sql", "string", "rows"), ("sql", "like", "rows"), ("sql", "function", "found"), ("sql", "brackets", "found"),
    ("sql", "login", "found"), ("command", "bare", "output"), ("command", "single", "output"), ("command", "middle", "output"),
]
SCHEMA = []


def resolver(backends, weakness, context, shown, sound):
    if weakness == "sql":
        handle, _ = sql.handler(backends, "sqlite", context, shown, "bind" if sound else None)
        return lambda value: handle(value, None)
    quote = (lambda v: v.replace("'", "'\\''")) if context == "single" else shlex.quote
    return lambda value: escape(run(CONTEXTS[context].format(quote(value.replace("\0", "")) if sound else value)))


def field(find, nested, name):
    def resolve(_, info, term=None, filter=None):
        value = filter["term"] if nested else term
        text = find(value or "")
        text = text.body if isinstance(text, Page) else text
        return {"text": text, "length": len(text)}
    term = GraphQLNonNull(GraphQLString)
    if nested:
        made = GraphQLInputObjectType(name + "Filter", {
            "term": GraphQLInputObjectField(term), "first": GraphQLInputObjectField(GraphQLInt)})
        arguments = {"filter": GraphQLArgument(GraphQLNonNull(made))}
    else:
        arguments = {"term": GraphQLArgument(term), "first": GraphQLArgument(GraphQLInt)}
    def with_first(root, info, first=None, **arguments):
        return resolve(root, info, **arguments)
    return GraphQLField(ANSWER, args=arguments, resolver=with_first)


def cases(backends):
    backends.start("sqlite")
    made, queries, mutations = [], {}, {}
    for vulnerable in (True, False):
        for number, (weakness, context, shown) in enumerate(TABLE):
            for nested in (False, True):
                name = f"{'v' if vulnerable else 'f'}_{weakness}_{context}_{'input' if nested else 'argument'}"
                find = resolver(backends, weakness, context, shown, not vulnerable)
                (mutations if number % 3 == 2 else queries)[name] = field(find, nested, name)
                made.append(Case(name, vulnerable, None, "variable", "term"))
    SCHEMA[:] = [GraphQLSchema(query=GraphQLObjectType("Query", queries), mutation=GraphQLObjectType("Mutation", mutations))]
    return made


def endpoint(request):
    try:
        asked = json.loads(request.body)
        done = graphql(SCHEMA[0], asked["query"], variables=asked.get("variables"))
        answer = {"data": done.data}
        if done.errors:
            answer["errors"] = [{"message": str(error)} for error in done.errors]
    except (ValueError, KeyError, TypeError):
        return Page('{"errors": [{"message": "no document"}]}', 400, (("Content-Type", "application/json"),))
    return Page(json.dumps(answer), 200, (("Content-Type", "application/json"),))


def pages():
    return {"/": lambda _: page("Shop", "Nothing leads on from here."), "/graphql": endpoint}
