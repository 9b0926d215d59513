"""What people of the synthetic shop answer when asked what nearly stopped them, by stage."""

QUESTION = "What nearly stopped you from buying?"

# At least one answer must survive commas, quotes, an emoji and markup all the way to the report.
TRICKY = 'Great shop, but the "Pay" button, on my phone, did nothing 😡 <b>Fix it!</b>'

COMPLAINTS: dict[str, dict[str, list[str]]] = {
    "discover": {
        "en": [
            "I could not find my size in the list",
            "The filters keep resetting",
            "Nothing opened when I tapped",
        ],
        "es": [
            "No encontraba mi talla",
            "Los filtros no funcionan",
            "La lista tarda mucho en cargar",
        ],
        "fr": [
            "Je ne trouvais pas ma taille",
            "Les filtres ne marchent pas",
            "La liste est trop lente",
        ],
    },
    "consider": {
        "en": [
            "The size guide does not open",
            "I could not choose a colour",
            "The add to cart button is hidden",
        ],
        "es": [
            "No puedo elegir la talla",
            "El botón de añadir no responde",
            "Faltan fotos del producto",
        ],
        "fr": [
            "Impossible de choisir la taille",
            "Le bouton d'ajout ne répond pas",
            "Il manque des photos",
        ],
    },
    "cart": {
        "en": [
            "Shipping costs came as a surprise",
            "The checkout button jumps around",
            "My cart was empty again",
        ],
        "es": [
            "Los gastos de envío son una sorpresa",
            "El carrito se vacía solo",
            "No puedo tramitar el pedido",
        ],
        "fr": [
            "Les frais de port sont une surprise",
            "Mon panier se vide",
            "Impossible de valider le panier",
        ],
    },
    "checkout": {
        "en": [
            "The address form rejects my postcode",
            "I had to create an account",
            "The form lost everything",
        ],
        "es": [
            "El formulario no acepta mi código postal",
            "Piden demasiados datos",
            "Se borró la dirección",
        ],
        "fr": [
            "Le formulaire refuse mon code postal",
            "Trop de champs à remplir",
            "L'adresse s'est effacée",
        ],
    },
    "pay": {
        "en": [
            "My card was declined twice",
            "The bank page never loaded",
            "Payment spins for ever",
        ],
        "es": ["La tarjeta no pasa", "La página del banco no carga", "El pago se queda pensando"],
        "fr": [
            "Ma carte a été refusée",
            "La page de la banque ne charge pas",
            "Le paiement tourne sans fin",
        ],
    },
    "buy": {
        "en": ["No confirmation e-mail", "Delivery is slow"],
        "es": ["No llega el correo de confirmación", "La entrega tarda"],
        "fr": ["Pas d'e-mail de confirmation", "La livraison est lente"],
    },
}
NEUTRAL: dict[str, list[str]] = {
    "en": ["Nothing, all good", "Just looking", "Comparing prices", "I will think about it"],
    "es": ["Nada, todo bien", "Solo estaba mirando", "Comparando precios", "Me lo voy a pensar"],
    "fr": ["Rien, tout va bien", "Je regarde seulement", "Je compare les prix", "Je vais réfléchir"],
}
TAGS = {"cart": "cart,shipping", "checkout": "form", "pay": "payment", "consider": "product page"}
