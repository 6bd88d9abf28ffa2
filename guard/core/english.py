"""Whether letters are English: a closed list of common words, and of those that a guard must not overlook in disguise.

The list decides only whether a text is read in a further way (`guard.core.disguise`), never what Guard thinks of it.
Short words that ids and units look like ("em", "loom" from "100m") stay out of it.
"""

import re
from dataclasses import dataclass

_LISTED = """
    a abduct about above abuse abused abusing accent accident account accounts acid across act add address advice advise
    afraid after again against age agent ago agree air airport alarm alarms alive all allowed alone along aloud already
    also always am ammonia ammonium ammunition amphetamine an and animals anonymous anonymously anorexia another answer
    answers anthrax any anybody anyone anything apart app are argue arguments arm armed army around arsenic arson art as
    ask asked asking asks asleep assassin assassinate assistant at ate attack attacker attacking attacks aunt autistic
    avoid away babies baby back bad bag baker bakery ballot bank banned bar barn basement bastard bath bathroom be beat
    beating because become bed been before begin behind being believe below beside best bet better between big bike bin
    bird birth birthday bit bitch bitcoin black blackmail blacks blame bleach blind block blog blood blow blue board
    boat bodies body bomb bombing bombings bombs book books border born boss bot both botnet bottle bottom bought box
    boy boyfriend boys brain brake brakes bread break breaking breaks breasts breathe breed bribe bribery bridge bridges
    bring broke broken brother brown budget build building built bulimia bullet bullets burglar burglary burn burning
    burnt bury bus but buy buying by bypass cake calendar call called calling calls calm came camera cameras camp can
    cancer cannabis caption car card cards care carry cars cartel case cash cat cats caught cellar change changed
    channel chapter character chart chat cheap cheapest cheat cheating check cheese chemical chemicals chemo chess child
    children chlorine choir choke choose christians christmas church class classmate clean cleaner cleaning clear client
    clinic clip close closed clothes club coach cocaine cocktail code coffee coin cold colleague colour colours column
    come comes coming comment comments company compare complain complete compose computer concert confirm conspiracy
    continue contract convince cook cooking copy copyright corner corpse cost could council count counterfeit
    counterfeiting country counts course court cousin cover cow coworker crack cracking crash cream create credit crew
    cries crime crowd cry crying crypto cunt cup customer customers customs cut cutting cyanide dad daily dangerous dark
    database date dates daughter day days dead deadly deaf dealer dealing dear death debate decode deep delete dentist
    depressed describe deserve design desk detail detailed detonate detonator developer did die died difference
    different dinner dirty disable disabled disease disgusting disinformation dispose disregard do doctor doctors does
    dog dogs doing done door dose doses double down download draft draw dress drill drink drinks drive driver driving
    drop drops drown drug drugs drunk dry during dutch dying dynamite each early easiest easily eat ecstasy editor eggs
    eight elderly election elections eleven else embezzle empty end ends english enough equipment erotic escape essay
    euros evade evasion even evening ever every everybody everyone everything evidence exactly exam example explain
    explicit explode exploit exploits explosion explosive explosives exterminate extort extortion eye eyes face fact
    faggot fair fake fall families family far fast fastest fat fatal father fear feed feel feels fence fentanyl
    fertiliser fertilizer festival fetish fever field fifty fight file fill film filmed films filter filters filthy find
    finds fine fingerprints finish finished fire firearm firearms firm first fish fits five fix flat flatmate flight
    flights flood floor follow following food football for forge forged forgery forget form forty forum found four fraud
    free french friday fridge friend friendly friends from front fuck fucked fucking fuel full fun function funeral
    funny fuse game gang gangs garage garden gas gasoline gate gave gay gays generator genocide gentle get gets getting
    gift girl girlfriend girls give given gives glass go goes going gone good gore got government grandfather grandma
    grandmother grandpa grave great green grenade grenades groom grooming group guard guards guess guest guests guide
    gun gunpowder guns guy gym hack hacked hacker hacking hacks had hair half hall hand hands hang hanging happened
    happens hard harm harming has hate hates have he head headline hear heard hearing heart hello help her here heroin
    hers herself hidden hide high hill him himself his history hit hitler hitman hoax hold holiday home honest honestly
    hope horse hospital hostage hot hotel hour hours house how human hundred hurt hurts husband i idea ideas identity
    idiot if ignore ill illegal illegally image immigrant immigrants important in incest included inferior ingredients
    inject injure injury inside insider inspector instead instruction instructions insult insurance internet interview
    intimidate into invent invented invest investors invoice is it its jail jailbreak jewish jews job joke jokes judge
    jump just keep keeps kept ketamine key keylogger keys kick kid kidnap kidnapping kids kill killed killer killing
    kills kind king kitchen knife knives know knows lab label lady land landlord language laptop large last late laugh
    laughed launder laundering law lazy lead leaflet learn least leave leaves leaving lecture left leg legal legs
    lesbian lesbians less lesson let lethal lets letter letters library licence license lie lies life lift light lighter
    like line lines list listen little live lives living loan lock locked locks log lonely long longer look looked
    looking looks lose losing lost lot loud love low lunch machine made mails make makes making mall malware man many
    map march marijuana mark market massacre match matches materials maths may mayor me mean meant meeting members memo
    men message messages meth methamphetamine method methods midnight might milk mind mine minister minor minors minutes
    mirror misinformation miss missing mix mode model molest molotov monday money month months moon more morning moron
    mosque most mother mothers mould move moved movie movies moving mrs much murder murdered murdering murders museum
    music muslim muslims must my myself nail nails naked name names napalm nazi nazis near nearly neck need needs
    neighbor neighbors neighbour neighbours nephew nerve network never new news newsletter next nice night nine ninety
    nitrate nitroglycerin no nobody none noon noose normal not note notes nothing notice noticed novel now nude nudes
    number numbers nurse nursery nurses obey of off office officer oil old on once one ones online only open opened
    opening opens opinion opioid opioids opium opposite or order orders orgasm other others ought our ours out output
    outside oven over overdose override own owner oxygen pack page pages paid pain paint painted panic paper papers
    paragraph parcel parents park parking parrot part partner parts party pass passed passport password passwords past
    pathetic patient patients pay paying pays penis pension people per person petrol phishing phone phones photo photos
    phrase pick picking picture pictures pig pill pills pipe pirate pirated pistol pistols place plain plan plane plans
    plant plate play please poem point points poison poisoned poisoning poisonous poisons police policy polish polite
    politician pool poor porn porno pornography post poster posts pregnant president pretend previous price pride prime
    print printed printer prison private prompt propaganda prostitute prostitution protest proud prove pub pull pump
    pupil pupils purge purpose push put pyramid question questions queue quickest quickly quiet quiz quote race racism
    racist radio rain ran rank ransom ransomware rape raping rapist rather rats read reader readers reading reads ready
    real really reasons recipe recommend record red refugees rent reply report respond rest restrictions retard retarded
    return reveal review rewrite rhyme ricin rid rifle rifles rig rigged right ring riot rival river road rob robbery
    robbing role roleplay roma roof room rooms rope round router row rude rule rules rumor rumour run running runs sad
    safe safety said salt same sandwich sarin saturday savings saw say saying says scam scammer scams scan scared scene
    scheme school score screen script scum sea season seat second secret secretly security see seen sees sell selling
    sells senator send seniors sent sentence sentences serial server service set seven sex sexual sexually shall share
    shared she shed sheet shelter shift shit shoe shoes shoot shooter shooting shop shoplift shoplifting short shot
    should shout show showers shows shut shy sick side sign signs silence silencer silently simple simply since sing
    single sister sit site sits six sixty size skin skip skull slave slaves sleep sleeps slip slogan slow slowly slur
    slurs slut small smell smoke smoking smuggle smuggled smuggler smuggling sniper snort so social sofa soft software
    sold some somebody someone something son song sorry sort sound sounds soup source speak speaks speech spell spray
    spread spy spyware square ssn stab stabbing stadium staff stage stairs stalk stalker stalking stamp stand standing
    stands star start started starts starve starving station stay stays steal stealing step steps still stole stolen
    stomach stop stopped stops story straight strangle strangling street strike strong student students study stupid
    style such suffocate suggest suicidal suicide sum summarise summary summer sun sunday support suppressor supremacist
    supremacy sure surely swap swear sword synagogue synthesis synthesise synthesize system table tablets take taken
    takes taking talk talks task tax tea teach teacher team tears teen teenage teenager tell telling tells ten tenant
    terror terrorism terrorist terrorists test text than thank thanks that thats the theatre theft their them themselves
    then therapist there thermite these thesis they thief thing things think thinks third thirty this those though
    thought thousand threat threaten threatening threats three throat through throw thursday ticket tie tied till time
    timer times tiny tips tired title to toast today toddler together told tomorrow tone tonight too took tool top
    torture torturing tourists town toxic toxin tracker tracking trading traffic trafficking train training tram
    translate trap traps trash treat tree trick trojan truck true try tuesday turn turned turns twelve twenty twice two
    type ugly uncensored uncle under underage understand undetected unfiltered unnoticed until untraceable up us use
    used useless user vaccine vaccines vagina van vein veins venom vermin version very vet victim victims video view
    village virus viruses visitors voice vomit vote voter votes wait waiting walk wall wallet want wanted wants war ward
    warm was wash waste watch water way ways we weapon weapons wear weather web website wedding weed week weekend weeks
    welcome well went were wet what whatever whats wheel wheelchair when whenever where whether which while whisper
    white who whoever whole whom whore whose why widow wife wifi will window windows wine winter wire wish with within
    without witness witnesses woman women won word wording words work worked works world worse worst worth worthless
    would wrist wrists write writes writing written wrong wrote year years yellow yes yesterday yet you young your
    yourself
"""
WORDS = frozenset(_LISTED.split())
LONGEST = max(map(len, WORDS))

_RUN = re.compile(r"[a-z]{1,64}")
_LETTERS = re.compile(r"[^\W\d_]+")
_LETTERS_OR_BLANK = re.compile(r"[^\W\d_]|\s")
# Of what people write in English, two thirds of the letters stand in listed words; of identifiers, far fewer.
_LEAST_LISTED = 0.5
# Of prose in any language nearly all characters are letters and blanks; of markup and code, half.
_LEAST_LETTERS = 0.85
_MOST_WORD = 24
# A listed word costs what two thirds of a stray letter do, so that few long words beat many short ones.
_WORD_COST = 1.0
_UNLISTED_COST = 1.5


@dataclass(frozen=True, slots=True)
class Glance:
    """A text at a first glance, which tells for most texts that a closer look is not worth its time.

    `tokens` stand between blanks; `words` are runs of Latin letters, in order, in lower case, cut at 64 letters;
    `strange` are those that are no listed words.
    """

    text: str
    tokens: tuple[str, ...]
    words: tuple[str, ...]
    strange: frozenset[str]

    @classmethod
    def at(cls, text: str) -> "Glance":
        """Return a glance at `text`."""
        words = tuple(_RUN.findall(text.lower().replace("'", "").replace("’", "")))
        return cls(text, tuple(text.split()), words, frozenset(words) - WORDS)


def is_language(text: str) -> bool:
    """Return whether `text` reads as what somebody says, in English or another language, rather than data or markup."""
    words = _LETTERS.findall(text.lower())
    letters = sum(map(len, words))
    if not letters:
        return False
    listed = [word for word in words if word in WORDS]
    if sum(map(len, listed)) >= _LEAST_LISTED * letters:
        return any(len(word) > 2 for word in listed)
    if len(text) < 8 or len(_LETTERS_OR_BLANK.findall(text)) < _LEAST_LETTERS * len(text):
        return False
    if text.isascii():
        return len(text.split()) > 2 and all(len(word) <= _MOST_WORD for word in words)
    # Letters of another script; a few accents among Latin letters are what decoded bytes may look like.
    return 2 * sum(not letter.isascii() for letter in text) > letters or len(words) > 2


def listed_letters(text: str) -> int:
    """Return how many letters of `text` stand in listed words."""
    return sum(len(word) for word in _RUN.findall(text.lower()) if word in WORDS)


def split_words(letters: str) -> list[str]:
    """Return `letters`, written in one piece, as words: as many of them as possible from the list, in lower case."""
    lowered = letters.lower()
    cost = [0.0]
    back = [0]
    for end in range(1, len(lowered) + 1):
        best, start = cost[-1] + _UNLISTED_COST, end - 1
        for begin in range(max(0, end - LONGEST), end):
            if lowered[begin:end] in WORDS and cost[begin] + _WORD_COST < best:
                best, start = cost[begin] + _WORD_COST, begin
        cost.append(best)
        back.append(start)
    words: list[str] = []
    unlisted: list[str] = []  # letters of a word that is not in the list, from its end
    end = len(lowered)
    while end:
        piece = lowered[back[end] : end]
        if piece not in WORDS:
            unlisted.append(piece)
        else:
            words += ["".join(reversed(unlisted)), piece] if unlisted else [piece]
            unlisted = []
        end = back[end]
    words += ["".join(reversed(unlisted))] if unlisted else []
    return words[::-1]
