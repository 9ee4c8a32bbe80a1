const asTold = ({id, type, content, status, author, parentId, createdAt}) => ({
  id, type: type.toLowerCase(), status: status.toLowerCase(), text: content, who: author, parent: parentId, at: createdAt,
});

/** The messages before `messageId`, oldest first, as in a snapshot; null when they cannot be read now. */
export async function readEarlier(base, chatId, messageId) {
  const url = new URL(`api/chats/${chatId}/messages?before=${messageId}`, base);
  const response = await fetch(url).catch(() => null); // the reader can ask again
  if (!response?.ok) return null;
  const {items} = await response.json();
  return items.reverse().map(asTold);
}
