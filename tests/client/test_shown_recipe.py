"""What `runexp show` calls the two that it holds against each other."""

from runexp.ui import recipe
from runexp.wire.recipes import Recipe, WithTexts
from runexp.wire.requests import ShowReply

FOUND = WithTexts(attempt=0, found=True, recipe=Recipe())
NOW = WithTexts(attempt=0, recipe=Recipe())


def test_results_that_were_found_have_a_recipe_of_their_own() -> None:
    reply = ShowReply(experiment="e1", job="rank4", shown=FOUND, against=NOW)
    assert next(recipe.difference(reply)) == "rank4: as it stood when its results were found -> as it stands"
    assert next(recipe.lines(reply)) == "rank4, as it stood when its results were found"
