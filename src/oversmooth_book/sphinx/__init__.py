"""Extensions of the site's builder."""
