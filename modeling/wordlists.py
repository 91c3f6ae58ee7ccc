"""Words by which the evaluation picks messages out: small lists of our own, for slices and swaps alone.

No model learns from them and no decision rests on them. They hold what occurs in English comments often
enough to be counted, and are neither complete nor a judgement of the people or things that they name.
"""

from dataclasses import dataclass
from typing import Final

# Swearing and insults: does the model take rough words for removals, or miss removals without them?
PROFANITY: Final = (
    "arse", "arsehole", "ass", "asshole", "assholes", "bastard", "bastards", "bitch", "bitches", "bollocks",
    "bullshit", "cock", "crap", "crappy", "cunt", "cunts", "damn", "damned", "dick", "dickhead", "dumbass",
    "fag", "fuck", "fucked", "fucker", "fuckers", "fuckin", "fucking", "fucks", "goddamn", "hell", "idiot",
    "idiotic", "idiots", "jackass", "moron", "moronic", "morons", "motherfucker", "piss", "pissed", "prick",
    "retard", "retarded", "shit", "shits", "shitty", "slut", "stfu", "stupid", "suck", "sucks", "tits",
    "twat", "wanker", "whore", "wtf",
)  # fmt: skip
# Talk about moderation itself: such comments are removed for where they stand, not for what they say.
MODERATION: Final = (
    "automod", "automoderator", "ban", "banned", "bans", "censor", "censored", "censoring", "censorship",
    "deleted", "deleting", "downvote", "downvoted", "downvotes", "mod", "moderate", "moderated", "moderating",
    "moderation", "moderator", "moderators", "mods", "off-topic", "removed", "reported", "rule", "rules",
    "shadowbanned", "spam", "subreddit", "unmoderated", "upvote", "upvoted", "upvotes",
)  # fmt: skip


@dataclass(frozen=True)
class Term:
    """A word for a group of people.

    Attributes:
        word: as it stands before a noun, or as the noun itself.
        plural: for more than one person, empty where the word has none of its own.
        person: the noun phrase for one person; the word itself where it is a noun.
        needs_person: whether the word mostly means something else (a black hole, a blind study), so that
            in real messages it counts only before a word for people.

    """

    word: str
    plural: str = ""
    person: str = ""
    needs_person: bool = False

    @property
    def phrase(self) -> str:
        """One person of the group, as a noun phrase without an article."""
        return self.person or f"{self.word} person"


# By group; a term is swapped for the others of its group. The method is that of counterfactual token
# fairness (Garg et al. 2019, AIES) on terms in the manner of Dixon et al. (2018, AIES).
IDENTITY: Final[dict[str, tuple[Term, ...]]] = {
    "religion": (
        Term("Christian", "Christians"),
        Term("Muslim", "Muslims"),
        Term("Jewish", "Jews"),
        Term("Hindu", "Hindus"),
        Term("Buddhist", "Buddhists"),
        Term("atheist", "atheists"),
    ),
    "ethnicity": (
        Term("black", needs_person=True),
        Term("white", needs_person=True),
        Term("Asian", "Asians"),
        Term("Latino", "Latinos"),
        Term("African", "Africans"),
        Term("European", "Europeans"),
    ),
    "gender": (
        Term("woman", "women", "woman"),
        Term("man", "men", "man"),
        Term("transgender person", "transgender people", "transgender person"),
    ),
    "orientation": (
        Term("straight", needs_person=True),
        Term("gay"),
        Term("lesbian", "lesbians"),
        Term("bisexual", "bisexuals"),
    ),
    "disability": (
        Term("deaf"),
        Term("blind", needs_person=True),
        Term("autistic"),
        Term("disabled", needs_person=True),
    ),
    "nationality": (
        Term("American", "Americans"),
        Term("Mexican", "Mexicans"),
        Term("Chinese"),
        Term("Indian", "Indians"),
        Term("Russian", "Russians"),
        Term("German", "Germans"),
        Term("Nigerian", "Nigerians"),
    ),
    "age": (
        Term("young", needs_person=True),
        Term("old", needs_person=True),
        Term("middle-aged", needs_person=True),
    ),
}
PEOPLE: Final = (
    "people", "person", "persons", "folks", "man", "men", "woman", "women", "guy", "guys", "girl", "girls",
    "boy", "boys", "kid", "kids", "child", "children", "adult", "adults", "student", "students", "patient",
    "patients", "population", "populations", "community", "communities", "family", "families", "americans",
    "couple", "couples",
)  # fmt: skip
# Neutral: nothing here is worth removing, whoever it is about.
TEMPLATES: Final = (
    "One {person} took part in the study.",
    "I talked to that {person} about the results.",
    "Every {person} in the sample was asked the same questions.",
    "Was the {person} in the second group told about the trial?",
    "My doctor, whose daughter is married to some {person}, recommended this paper.",
    "That {person} next door works in a lab and reads this journal.",
    "The data do not say whether any other {person} volunteered.",
    "Thank you, as the only {person} in my department I found this useful.",
)
