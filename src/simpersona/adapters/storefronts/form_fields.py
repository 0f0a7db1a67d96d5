"""What a form field asks for: payment, an address, a contact, a login. Structure decides first, then the words around it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from simpersona.pages import Node
from simpersona.shopper.store_words import words_of

FieldKind = Literal["payment", "street", "zip", "city", "person", "email", "phone", "login", "password"]

_AUTOCOMPLETE: dict[str, FieldKind] = {
    "street-address": "street",
    "postal-code": "zip",
    "address-level2": "city",
    "name": "person",
    "given-name": "person",
    "family-name": "person",
    "additional-name": "person",
    "email": "email",
    "username": "login",
    "current-password": "password",
    "new-password": "password",
    "one-time-code": "password",
}
_TYPES: dict[str, FieldKind] = {"password": "password", "email": "email", "tel": "phone"}
_NOT_FIELDS = frozenset({"hidden", "submit", "button", "reset", "image", "checkbox", "radio", "range", "color", "file"})
_WORDS: tuple[tuple[FieldKind, str], ...] = (  # in this order: an "e-mail address" is no address
    (
        "payment",
        (
            r"(credit|debit) ?card\w*|card ?(no|num|number|holder|holder name)|cc ?(no|num\w*|name|exp\w*|csc)|cvv2?|cvc2?|cvn|iban|bic|sepa|"
            r"(kredit)?karten?(nummer|inhaber)|kreditkarte|kontoinhaber|numero (de )?(la )?(carte|tarjeta|carta)|"
            r"carte (bancaire|de credit)|tarjeta de (credito|debito)|carta di credito|kaartnummer|expir\w*|exp (month|year|date)|"
            r"ablaufdatum|gultig bis|caducidad|scadenza|vervaldatum|security code|prufnummer|numero do cartao|(numer|cislo) karty|"
            r"kortnummer|kart numarasi|номер карты|\w*カード(番号|名義)\w*|\w*卡号\w*|\w*카드번호\w*"
        ),
    ),
    (
        "password",
        r"pass ?w(or)?d|passwort|kennwort|mot de passe|contrasena|wachtwoord|senha|haslo|heslo|losenord|adgangskode|passord|salasana|sifre|пароль|\w*パスワード\w*|密码|비밀번호",
    ),
    (
        "email",
        r"e ?mails?|mail|courriel|correo( electronico)?|posta elettronica|adres e ?mail|электронная почта|\w*メール\w*|邮箱|이메일",
    ),
    (
        "phone",
        r"(tele)?phones?( ?number)?|tel|telef\w*|telephone|mobile|mobil|movil|cellulare|portable|handy(nummer)?|gsm|mobiel|rufnummer|telem\w*|celular|puhelin\w*|телефон|\w*電話\w*|手机号?码?|电话|\w*전화\w*",
    ),
    (
        "person",
        (
            r"(first|last|full|given|family|middle) ?names?|[fl] ?name|surname|forename|vorname|nachname|familienname|prenom|nom"
            r"( de famille)?|nombres?|nome|naam|apellidos?|cognome|voornaam|achternaam|recipient|empfanger|destinataire|destinatario|firstname|lastname|"
            r"sobrenome|imie( i nazwisko)?|nazwisko|jmeno( a prijmeni)?|prijmeni|meno|priezvisko|(teljes )?nev|nume|prenume|fornamn|efternamn|"
            r"fornavn|efternavn|etternavn|etunimi|sukunimi|ad soyad|adiniz|ονομα|επωνυμο|имя|фамилия|фио|ім я|прізвище|"
            r"お?名前|\w*氏名\w*|姓名|收货人|이름|성함"
        ),
    ),
    (
        "zip",
        (
            r"zip( ?code)?|post(al)? ?codes?|plz|postleitzahl|(code|codigo|codice) postale?|cap|cp|cep|kod pocztowy|psc|iranyitoszam|cod postal|postnummer|postnr|postinumero|posta kodu|"
            r"ταχυδρομικος κωδικ\w+|(почтовый )?индекс|поштовий індекс|\w*郵便番号\w*|邮政?编码|\w*우편번호\w*"
        ),
    ),
    (
        "street",
        (
            r"address( ?line)? ?\d?|addr(ess)?\d?|adress\w*|street ?\w*|stra(ss|ß)en?|hausnummer|anschrift|rue|calle|direccion|indirizzo|"
            r"adres(regel)?|straat(naam)?|huisnummer|domicilio|shipping address\w*|billing address\w*|lieferadresse|rechnungsadresse|"
            r"endereco|morada|rua|ulica|ulica i numer|ulice|gata|gatuadress|vej|gade|(gate|vei)adresse|katuosoite|osoite|utca|cim|strada|"
            r"adresa|adres\w*|sokak|διευθυνση|οδος|улица|адрес\w*|вулиця|\w*住所\w*|\w*番地\w*|\w*地址\w*|\w*주소\w*"
        ),
    ),
    (
        "city",
        (
            r"city|town|ort|wohnort|stadt|ville|ciudad|poblacion|localidad|citta|comune|plaats|woonplaats|cidade|miasto|miejscowosc|mesto|obec|varos|oras|"
            r"postort|kaupunki|sehir|πολη|город|місто|\w*市区町村\w*|城市|도시"
        ),
    ),
)
_PATTERNS: list[tuple[FieldKind, re.Pattern[str]]] = [
    (kind, re.compile(rf"(?<!\w)({words})(?!\w)")) for kind, words in _WORDS
]
_NAME = re.compile(r"(your |full |dein |ihr |votre |su |tu |il tuo |uw )?(name|naam|nome)( \*)?")
_LOGIN = re.compile(r"(?<!\w)(user ?name|user ?id|login|benutzername|utilisateur|usuario|utente|gebruikersnaam)(?!\w)")


@dataclass(frozen=True)
class FormField:
    """A field of a page as its markup describes it. `label` joins everything a person reads at it."""

    type: str = ""
    autocomplete: str = ""
    inputmode: str = ""
    name: str = ""
    label: str = ""
    value: str = ""
    beside_password: bool = False
    """Whether its form has a field for a password."""
    is_shown: bool = True

    @property
    def kind(self) -> FieldKind | None:
        """What the field asks for; None if it is neither for payment, address, contact nor login."""
        if self.type in _NOT_FIELDS:
            return None
        kind = self._by_structure() or kind_of_name(self.name) or self._by_label()
        if self.beside_password and kind != "password" and self.type in ("", "text", "email", "tel"):
            return "login"
        return kind

    def _by_structure(self) -> FieldKind | None:
        for token in reversed(self.autocomplete.lower().split()):
            if token.startswith("cc-"):
                return "payment"
            if token.startswith("tel"):
                return "phone"
            if token.startswith("address-line"):
                return "street"
            if token in _AUTOCOMPLETE:
                return _AUTOCOMPLETE[token]
        return _TYPES.get(self.type) or _TYPES.get(self.inputmode)

    def _by_label(self) -> FieldKind | None:
        label = words_of(self.label)
        return kind_of_name(label) or ("person" if _NAME.fullmatch(label) else None)


def shown_fields(nodes: Iterable[Node]) -> Iterator[FormField]:
    """The text fields of a page as its tree shows them, in closed shadow roots too. A field without a name is labelled by the
    text before it.
    """
    before = ""
    for node in nodes:
        if node.role == "textbox":
            yield FormField(label=node.name or before, value=node.value)
        before = node.name if node.role == "StaticText" else ""


def kind_of_name(name: str) -> FieldKind | None:
    """What a field of this name asks for. A bare "name" may be anything: it counts only as a label."""
    words = words_of(name)
    if _LOGIN.search(words):
        return "login"
    return next((kind for kind, pattern in _PATTERNS if pattern.search(words)), None)


def asks_for_delivery(kinds: Iterable[FieldKind]) -> bool:
    """Whether fields of these kinds make a checkout: payment, a street, or who and where to call."""
    found = set(kinds)
    return bool(found & {"payment", "street"}) or {"zip", "city"} <= found or {"person", "phone"} <= found
