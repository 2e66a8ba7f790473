"""Which parameters each method has, as the Bot API documents them; anything else is a mistake of the caller's."""

from __future__ import annotations

_TO = "business_connection_id chat_id message_thread_id direct_messages_topic_id"
_HOW = "disable_notification protect_content allow_paid_broadcast message_effect_id reply_parameters"
_SEND = f"{_TO} {_HOW} reply_markup suggested_post_parameters"
_CAPTION = "caption parse_mode caption_entities show_caption_above_media"

PARAMETERS: dict[str, frozenset[str]] = {
    name.lower(): frozenset(words.split())
    for name, words in {
        "getMe": "",
        "getUpdates": "offset limit timeout allowed_updates",
        "setWebhook": "url certificate ip_address max_connections allowed_updates drop_pending_updates secret_token",
        "deleteWebhook": "drop_pending_updates",
        "getWebhookInfo": "",
        "sendMessage": f"{_SEND} text parse_mode entities link_preview_options",
        "sendMessageDraft": "chat_id message_thread_id draft_id text parse_mode entities can_stop keep_on_stop",
        "editMessageText": "business_connection_id chat_id message_id inline_message_id text parse_mode entities "
        "link_preview_options reply_markup",
        "editMessageReplyMarkup": "business_connection_id chat_id message_id inline_message_id reply_markup",
        "deleteMessage": "chat_id message_id",
        "sendPhoto": f"{_SEND} {_CAPTION} photo has_spoiler",
        "sendDocument": f"{_SEND} {_CAPTION} document thumbnail disable_content_type_detection",
        "sendAudio": f"{_SEND} {_CAPTION} audio duration performer title thumbnail",
        "sendVoice": f"{_SEND} {_CAPTION} voice duration",
        "sendVideo": f"{_SEND} {_CAPTION} video duration width height thumbnail supports_streaming",
        "sendAnimation": f"{_SEND} {_CAPTION} animation duration width height thumbnail",
        "sendMediaGroup": f"{_TO} {_HOW} media",
        "sendChatAction": "business_connection_id chat_id message_thread_id action",
        "setMessageReaction": "chat_id message_id reaction is_big",
        "answerCallbackQuery": "callback_query_id text show_alert url cache_time",
        "setMyCommands": "commands scope language_code",
        "getFile": "file_id",
    }.items()
}
