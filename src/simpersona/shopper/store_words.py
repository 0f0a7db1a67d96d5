"""The words by which stores name what their controls do, in English, German, French, Spanish, Italian and Dutch.

The cart, what adds to it, and the way to the checkout are known in many more languages, from Polish to Japanese and Arabic.
One table: the kinds of moves, the teacher, the events inferred from controls, the markup of carts and the guard of payments
read it. Words of addresses are in `page_words.py`; those by which the guard knows a payment are settings (`config/guard.py`).
Stores in other languages are understood by what their pages are made of: addresses, forms and icons
(`adapters/storefronts/purposes.py`).
"""

from __future__ import annotations

import re
from functools import lru_cache

KEPT = 20_000
"""Texts whose reading is kept: most of a page's texts are those of the page before."""
_ACCENTS = str.maketrans(
    "äöüáàâéèêëíìîïóòôúùûñçąćęłńśźżčďěňřšťůýžőűășțşţğıåøãõάέήίόύώϊ",
    "aouaaaeeeeiiiiooouuuncacelnszzcdenrstuyzouaststgiaoaoαεηιουωι",
    "\u0301\u0307",  # marks that stand alone, such as the dot that a Turkish capital leaves
)


@lru_cache(maxsize=KEPT)
def words_of(text: str) -> str:
    """The words of a text, an address or a name, in small letters without accents, with single spaces between them.

    A capital letter within a word begins a word: "saveOrder" has two.
    """
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text)
    return " ".join(re.findall(r"[^\W_]+", apart.lower().translate(_ACCENTS)))


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


_CARTS_EN = ("cart", "basket", "bag", "trolley")
_CARTS_ELSEWHERE = (
    *(
        "warenkorb",
        "einkaufswagen",
        "einkaufskorb",
        "einkaufstasche",
        "panier",
        "carrito",
        "carro",
        "cesta",
        "carrello",
    ),
    *("winkelwagen", "winkelwagentje", "winkelmand", "winkelmandje", "mandje"),
    *("carrinho", "sacola", "varukorg", "varukorgen", "kundvagn", "kundvagnen", "kundkorg", "shoppingkorg"),
    *("kurv", "kurven", "indkøbskurv", "indkobskurv", "indkøbskurven", "handlekurv", "handlekurven", "handlevogn"),
    *(
        "ostoskori",
        "ostoskorin",
        "ostoskorissa",
        "ostoskassi",
        "koszyk",
        "koszyka",
        "koszyku",
        "sepet",
        "sepetim",
        "sepetiniz",
    ),
    *(
        "košík",
        "košíku",
        "kosik",
        "kosiku",
        "kosár",
        "kosara",
        "kosaram",
        "kosár tartalma",
        "kosar",
        "coșul",
        "coşul",
        "cosul",
    ),
    *("καλάθι", "καλαθι", "kalathi", "корзина", "корзине", "korzina", "кошик", "кошику", "koshyk"),
)
CARTS = (*_CARTS_EN, *_CARTS_ELSEWHERE)
"""What stores call the cart, in names, in addresses and in markup."""
A_CART = rf"(?:{'|'.join(CARTS)})"
"""One of these names, in a regular expression."""
_CART_EN, _CART_ELSEWHERE = rf"(?:{'|'.join(_CARTS_EN)})", rf"(?:{'|'.join(_CARTS_ELSEWHERE)})"

ADD = _any(
    # the first line is what the trained packs have learnt
    rf"\b(add|put) (it )?(to|in|into) (the |my |your )?{_CART_EN}\b|^buy( it)?( now)?$",
    rf"\b(add|put) (.{{1,80}} )?(to|in|into) (the |my |your )?(shopping )?{_CART_EN}\b|\badd (it |this )?to (the |my |your )?order\b",
    r"^\W*(quick(ly)? |fast )?(add|buy)( (item|this|now|\d+))?\W*$|^(quick|fast) shop$|^buy (it )?(now|with)\b|^pre ?-?order( now)?$|^\W*add\W+[$€£]",
    rf"^(jetzt )?in (den|die|meinen) {_CART_ELSEWHERE}\b|\b(zum|in den) {_CART_ELSEWHERE} (hinzuf[üu]gen|legen|packen)\b",
    r"^(jetzt |schnell )?(kaufen|vorbestellen)$|^(schnell )?hinzuf[üu]gen$|^schnellkauf$",
    rf"\b(ajout(er|ez)?|mettre|mets) (.{{1,80}} )?(au|dans (le|mon)) {_CART_ELSEWHERE}\b|^ajout(er)?( rapide)?$|^(acheter|pr[ée]commander)",
    rf"\b(a[ñn]adir|agregar|poner|meter) (.{{1,80}} )?(al?|en) (la |el |mi )?({_CART_ELSEWHERE}|bolsa)\b|^(a[ñn]adir|agregar)( r[áa]pido)?$",
    r"^comprar?( ahora| ya)?$|^compra (ahora|r[áa]pida)$|^(reservar|preordinar?e?|preordina)$",
    rf"\b(aggiungi|metti) (.{{1,80}} )?(al|nel|alla|nella) ({_CART_ELSEWHERE}|borsa)\b|^aggiungi$|^(acquista|compra)( ora| subito)?$",
    rf"^(leg )?in (de |het |mijn |je )?{_CART_ELSEWHERE}\b|\b(toevoegen|voeg .{{0,80}}toe) aan (de |mijn |je )?{_CART_ELSEWHERE}\b",
    r"^(snel )?toevoegen$|^(nu )?kopen$|^koop( nu)?$",
    r"(カート|買い物かご|買い物カゴ|お買い物かご|かご|カゴ)(に|へ)(入れる|いれる|追加)|[加添放](入|到|加到)?(购物车|購物車|购物袋|購物袋)|"
    r"(장바구니|쇼핑백|카트)(에)? ?(담기|추가|넣기)|в корзину|([удв]|до) кошик[ау]?\b|(do|dodaj do) (koszyka|torby)|"
    r"(l[äa]gg (till )?i|till) (varukorg|kundvagn|kundkorg)(en)?|(l[æa]g i|tilf[øo]j til) (indk[øo]bs)?kurv(en)?|lisää (ostos)?(koriin|kassiin)|"
    r"do ko[šs][íi]k[ua]|sepete (ekle|at)|adicionar (ao|à|a) (carrinho|sacola|cesto|cesta)|legg (til )?i handle(kurv|vogn)(en)?|"
    r"kos[áa]rba( teszem| rakom| helyez[ée]s)?|[îi]n co[șşs](ul)?\b|(προσθήκη )?στο καλάθι|"
    r"(أضف|اضف|إضافة) (إلى |الى )?(ال|لل)?(سلة|عربة)|הוס(ף|פה) ל(סל|עגלה)|افزودن به سبد",
)
"""The name of a control that adds a product to the cart."""

ADD_MARK = _any(rf"add[-_]?(item[-_]?)?to[-_]?(the[-_]?)?{A_CART}")
"""A name in the markup, such as an id or a class, of a control that adds a product to the cart."""

CART = _any(
    rf"\b{A_CART}\b",
    r"корзин|кошик|(?<!ス)カート|買い物かご|買い物カゴ|ショッピングバッグ|购物[车袋篮]|購物[車袋籃]|장바구니|쇼핑백|\bcoș\b|\b(ال)?سلة( التسوق| المشتريات)?\b|عربة التسوق|"
    r"سبد خرید|סל (ה)?קניות|עגלת קניות|\bהסל\b",
)
"""The name of a control that leads to the cart, or that names it."""
_BESIDE_CART = re.compile(
    r"\b(my|your|the|view|see|show|open|go|to|back|return|in|shopping|mini|items?|products?|articles?|pieces?|total|is|empty|you|have|"
    r"mein|dein|ihr|der|den|dem|zum|zur|im|anzeigen|ansehen|artikel|produkte?|leer|gesamt|"
    r"mon|votre|le|la|les|au|dans|voir|articles?|produits?|vide|d|achat|achats|"
    r"mi|tu|su|el|ver|de|compras?|compra|art[ií]culos?|productos?|vac[ií]o|"
    r"il|tuo|mio|vai|al|nel|della|spesa|articol[oi]|prodott[oi]|vuoto|"
    r"mijn|je|uw|de|naar|bekijk|artikel(en)?|product(en)?|leeg|"
    r"twój|mój|moj|pokaż|zobacz|przejdź|do|jest|pusty|produkt(y|ów)?|sztuk[ai]?|szt|razem|"
    r"můj|váš|zobrazit|nákupní|nákupného|je|prázdný|polož(ek|k[ay])|produkt[ůy]?|kus[yů]?|ks|"
    r"az|saját|üres|megtekintése|termék(ek)?|tétel|db|tartalma|meu|vezi|cumpărături|cumparaturi|în|gol|produse?|articole|"
    r"din|min|visa|vis|gå|till?|är|er|tom|varor|artiklar|varer|vare|stk?|sinun|näytä|siirry|on|tyhjä|tuotetta|tuote|kpl|"
    r"meu|minha|seu|sua|no|na|vazi[oa]|ite(ns|m)|artigos?|produtos?|alışveriş|git|boş|ürün|adet|"
    r"μου|το|στο|αγορών|προϊόν(τα)?|είδη|είδος|άδειο|ваша|моя|товар(а|ов)?|шт|пуста|ваш|мій|порожній|товар(и|ів))\b",
    re.IGNORECASE,
)
_BESIDE_CART_JOINED = re.compile(
    r"商品|マイ|お客様|ショッピング|内容|中身|合計|見る|確認|あり|ます|空|[点個件の中をにはがへ]|我的|您的|查看|共|有|空的|里|內|상품|보기|나의|비어|[개건내에]"
)
"""The same in languages that are written without spaces."""


@lru_cache(maxsize=KEPT)
def is_cart_name(name: str) -> bool:
    """Whether a name names the cart and nothing else: "Cart, 2 items", "2 Artikel im Warenkorb", but not "Basket Weave Mug"."""
    if not CART.search(name) or ADD.search(name):
        return False
    beside = _BESIDE_CART_JOINED.sub(" ", _BESIDE_CART.sub(" ", CART.sub(" ", name)))
    return not re.search(r"[^\W\d_]{2,}", beside)


SEARCH_FIELD = _any(
    r"\b(search|find|looking for)\b",
    r"\b(such(e|en|begriff)\w*|durchsuchen|recherche\w*|chercher|buscar|busca|b[úu]squeda|cerca|ricerca|zoek\w*)\b",
)
"""The name of a field that is searched with."""
SEARCH_LINK = _any(r"^(search|find)\b", r"^(suchen?|rechercher?|chercher|buscar|b[úu]squeda|cerca|ricerca|zoek(en)?)$")
"""The name of a link to the search."""
CHECKOUT = _any(
    r"\bcheck ?out\b",
    r"\b((zur|an der) )?kasse$|^zur kasse\b|^bestellen$",
    r"^(commander|passer (la |ma )?commande|passer [àa] la caisse|valider (le |mon )?panier|proc[ée]der au paiement)",
    r"^(tramitar|finalizar|realizar) (el |la |mi )?(pedido|compra)|^(ir|pasar) (a|por) (la )?caja|^proceder al pago",
    r"^(vai |procedi )?(alla cassa|all\W?(ordine|acquisto))|^procedi (con|al) ",
    r"^(afrekenen|(naar|verder naar) (de )?(kassa|bestellen|afrekenen)|bestellen)",
    r"^((przejdź )?do kasy|(přejít |pokračovat )?k pokladně|(prejsť )?k pokladni|(tovább )?a pénztárhoz|finalizează comanda|(gå )?till kassan|"
    r"(gå )?til (kassen|kasse|betaling)|(siirry )?kassalle|(ir para |finalizar )?(o |a )?(checkout|compra)$|(sepeti onayla|ödemeye geç)|"
    r"оформить заказ|перейти к оформлению|оформити замовлення|ολοκλήρωση (παραγγελίας|αγοράς)|ταμείο)",
    r"レジに進む|レジへ進む|ご?購入手続き(に進む|へ)?|ご?注文手続き(に進む|へ)?|去?结[算账]$|去?結[帳賬]$|^(주문|결제)하기$|^إتمام (الطلب|الشراء)|^(המשך )?ל(תשלום|קופה)",
)
"""The name of the way from the cart to the checkout."""
ORDER_ELSEWHERE = (
    r"zahlungspflichtig|kostenpflichtig bestellen|jetzt (be)?zahlen|commander et payer|payer (maintenant|ma commande)|"
    r"(passer|valider|confirmer) (la |ma |votre )?commande|(realizar|confirmar|finalizar) (el |mi |tu )?(pedido|pago)|pagar ahora|"
    r"paga (ora|adesso)|(conferma|invia|concludi) (l')?ordine|nu betalen|bestelling (plaatsen|afronden|bevestigen)"
)
"""What places an order or pays, in the languages other than English."""
ORDER = _any(
    r"\b(place|complete|submit|confirm) (the |my |your |and )*(order|purchase)\b|^pay\b",
    r"zahlungspflichtig|kostenpflichtig|jetzt (be)?zahlen|\bbestellung (abschicken|absenden|abschlie(ss|ß)en)|commander et payer|"
    r"^payer\b|\b(valider|confirmer) (et payer|(la |ma |votre )?commande)|^pagar\b|\bconfirmar (el |mi |tu )?(pedido|pago)|"
    r"^paga\b|\b(conferma|invia|concludi) (l\W?)?ordine|^(nu )?betalen\b|\bbestelling (plaatsen|bevestigen)",
)
"""The name of a control that places the order."""
REMOVE = _any(
    r"^(remove|delete|take out|drop)\b",
    r"^(entfernen|l[öo]schen|supprimer|retirer|enlever|eliminar|quitar|borrar|rimuovi|elimina|verwijder(en)?)\b|\b(entfernen|l[öo]schen|verwijderen)$",
)
"""The name of a control that takes a product out of the cart."""
ONWARD = _any(
    r"^(continue|next|proceed|review|submit|confirm)\b(?!.*\bshopping\b)",
    r"^(weiter(?! (einkaufen|shoppen))|fortfahren|n[äa]chster schritt|continuer(?! (mes|vos|les|l)\b)|suivant|[ée]tape suivante|"
    r"continuar(?! comprando)|siguiente|avanti|continua(?! (lo|gli|con) )|prosegui|volgende|verder(?! winkelen)|doorgaan)\b",
)
"""The name of a button that leads to the next step of a form."""
PAGE = _any(
    r"^((next|previous)\b|more$)",
    r"^(load|show|view|see) more\b|^(n[äa]chste|vorherige|weitere|mehr) (seite|artikel|produkte|laden|anzeigen)|^(n[äa]chste|vorherige|weiter|mehr)$",
    r"^((page )?suivante?|(page )?pr[ée]c[ée]dente?|voir plus|afficher plus|plus)$|^(p[áa]gina )?(siguiente|anterior)$|^ver m[áa]s$|^m[áa]s$",
    r"^(pagina )?(successiva|precedente)$|^(mostra|carica) (altri|altro|di pi[ùu])|^(volgende|vorige)( pagina)?$|^(meer|laad meer|toon meer)( laden| tonen)?$|^[›»‹«]$",
)
"""The name of a link to further products of a list."""
LOAD_MORE = _any(
    r"^(load|show|view|see) more\b|^(mehr|weitere) .{0,20}(laden|anzeigen)$|^(voir|afficher|charger) plus|^(ver|cargar|mostrar) m[áa]s|"
    r"^(mostra|carica) (altri|altro|di pi[ùu])|^(meer (laden|tonen)|(laad|toon) meer)"
)
"""The name of a button that shows further products of a list."""

NEWSLETTER = _any(
    r"\b(news ?letters?|mailing ?list|subscribe|sign ?up (for|to)|abonnieren|abonnez|s\W?abonner|abonnement|infolettre|bolet[ií]n|"
    r"suscr[ií]\w+|iscri\w+|nieuwsbrief|inschrijven|aanmelden voor|klaviyo|mailchimp)\b"
)
COUPON = _any(
    r"\b(coupon\w*|vouchers?|promo(tion(al)?)?( ?codes?)?|discount( ?codes?)?|gift ?(card|code)s?|gutschein\w*|rabatt\w*|aktionscode|"
    r"codes? (promo\w*|de r[ée]duction|avantage)|bon de r[ée]duction|cup[oó]n\w*|c[oó]digo (de )?(descuento|promo\w*)|"
    r"codice (sconto|promo\w*)|buono sconto|kortings?code|actiecode|cadeau(bon|kaart)\w*)\b"
)
NOTE = _any(
    r"\b(notes?|remarks?|comments?|(special|delivery|gift|order) (instructions|message|comments?)|bestellnotiz|anmerkung\w*|bemerkung\w*|"
    r"kommentar\w*|remarques?|commentaires?|notas?|observaciones|comentarios?|opmerking\w*|instrucciones|istruzioni)\b"
)
LOGIN = _any(
    r"^(log|sign) ?-?in\b|^(register|sign ?up|create (an )?account|(my )?account)$|^(anmelden|einloggen|login|registrieren|(mein )?(kunden)?konto)$|"
    r"^(connexion|se connecter|(mon )?compte|cr[ée]er un compte)$|^((iniciar|inicia) sesi[oó]n|(mi )?cuenta|crear( una)? cuenta|registrarse)$|"
    r"^(accedi|(il )?(mio )?account|registrati)$|^(inloggen|(mijn )?account|registreren)$"
)
SUBSCRIBE = _any(
    r"^(subscribe|sign ?up|join (us|now|the list))\b(?!.*\bsave\b)|^(newsletter )?(abonnieren|anmelden)$|^s\W?(abonner|inscrire)|^suscr[ií]b\w+|"
    r"^iscriviti|^(inschrijven|aanmelden|abonneren)|\bnewsletter\b.{0,20}$"
)
APPLY = _any(
    r"^(apply|redeem)( (the |a |my |your )?(coupon|code|voucher|discount|promo\w*|gift card)( code)?)?$|"
    r"^(gutschein |rabatt)?(einl[öo]sen|anwenden)$|^appliquer( le code)?$|^aplicar( (cup[oó]n|c[oó]digo))?$|^applica( codice)?$|^(code )?toepassen$"
)
CONSENT = _any(
    r"^((yes, )?(i )?(accept|allow|agree|consent)|reject|decline|deny|refuse|manage|customi[sz]e)( (to )?(all|only|the|these|necessary|essential|optional|"
    r"cookies?|settings|preferences|and (close|continue)))*$|^(only )?(necessary|essential)( cookies)?( only)?$|^cookie[ -](settings|preferences|einstellungen)$",
    r"^(alles? |cookies |nur notwendige )*(akzeptieren|ablehnen|zustimmen|annehmen|accepteren|weigeren|toestaan)( cookies)?$|"
    r"^(tout )?(accepter|refuser)( (tout|les cookies))?$|^(aceptar|rechazar)( (tod[ao]s?|las cookies))*$|^(accetta|rifiuta)( (tutt[oi]|i cookie))*$",
)
"""Names of what is beside the purchase: a newsletter, a coupon, a note to the order, a login, a cookie banner."""
CLOSE = _any(
    r"^(close|dismiss|no,? thanks?|no,? thank you|not now|maybe later|skip|[x×✕✖])( (this|the))?( (dialog|window|banner|popup|message))?$",
    r"^(schlie(ß|ss)en|nein,? danke|nicht jetzt|sp[äa]ter|fermer|non,? merci|plus tard|cerrar|no,? gracias|chiudi|no,? grazie|sluiten|nee,? bedankt)$",
)
"""Names of controls that close a dialog or a banner over the page."""
