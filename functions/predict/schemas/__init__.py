"""The API's questions and answers, topic by topic, as ``/docs`` shows them."""
