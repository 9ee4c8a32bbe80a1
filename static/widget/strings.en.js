// Everything the widget says, in English.
const number = new Intl.NumberFormat('en').format;
const count = (amount, one, many) => `${number(amount)} ${amount === 1 ? one : many}`;
const short = tokens => (tokens < 1000 ? number(tokens) : `${(Math.floor(tokens / 100) / 10).toFixed(1)}k`);

function duration(seconds) {
  if (seconds < 60) return `${seconds}\u00a0s`;
  if (seconds < 3600) return `${Math.ceil(seconds / 60)}\u00a0min`;
  return `${Math.ceil(seconds / 3600)}\u00a0h`;
}

export default {
  chatWith: title => `Chat with ${title}`,
  conversation: 'Conversation',
  placeholder: title => `Ask ${title}`,
  messageTo: title => `Message to ${title}`,
  hint: 'Enter sends, Shift + Enter adds a line, Esc stops the answer.',
  send: 'Send',
  startChat: 'Start chat',
  stop: 'Stop',
  jump: 'Jump to latest',
  close: 'Close chat',
  demo: 'demo model',
  demoTitle: 'A small model that runs on this machine. It shows how the chat works and invents facts.',
  greeting: title => `Ask ${title} anything.`,
  starters: 'Questions to begin with',

  state: {connecting: 'Connecting', waiting: 'Reconnecting', refused: 'Not connected',
    ACTIVE: 'On air', PENDING: 'Off air', INACTIVE: 'Paused'},

  tape: 'Tokens used in this chat',
  used: (used, cap) => `${number(used)} of ${number(cap)} tokens`,
  usedShort: (used, cap) => `${short(used)} of ${short(cap).replace('.0', '')}`,
  creditUsed: '1 credit used for this chat',
  creditUsedShort: '1 credit used',

  you: 'You',
  thinking: 'Thinking',
  copy: 'Copy',
  copied: 'Copied',
  notCopied: 'Not copied',
  copyMessage: 'Copy message',
  earlier: 'Show earlier messages',
  table: 'Table',
  code: lang => (lang ? `Code, ${lang}` : 'Code'),
  image: alt => `image: ${alt}`,

  done: {
    user_stop: tokens => (tokens > 0 ? `Stopped. ${count(tokens, 'token was', 'tokens were')} used.` : 'Stopped.'),
    length: () => 'The answer reached its length limit.',
    cap: () => 'Cut at the limit.',
    interrupted: () => 'Interrupted. What had arrived is kept.',
    filter: () => 'The model withheld this answer.',
    error: () => 'The model did not answer.',
  },

  status: {
    answering: title => `${title} is answering`,
    still: 'Still answering',
    complete: words => `Answer complete, ${count(words, 'word', 'words')}`,
  },

  action: {now: 'Now', tryNow: 'Try now', tryAgain: 'Try again', reload: 'Reload', stop: 'Stop', signIn: 'Sign in', goOn: 'Go on as a visitor',
    newChat: 'Start a new chat, 1 credit', buy: 'Buy credits', continue: 'Continue'},
  continueText: 'Continue.',

  notice: {
    stillConnecting: 'Still connecting. Your text is kept.',
    lost: seconds => `Connection lost. Reconnecting${seconds > 0 ? ` in ${duration(seconds)}` : ''}.`,
    unreachable: host => `Could not reach ${host}. Still trying. Your text is kept.`,
    back: 'Back. Nothing was lost.',
    finishedMeanwhile: 'Back. The answer was finished while you were away.',
    notAllowed: 'This site is not allowed to show this chat.',
    banned: 'You cannot take part in this chat.',
    outdated: 'This page is out of date.',
    ended: 'Your session was ended. Your text is kept.',
    tooManyTabs: 'This chat is open in too many tabs.',
    gone: 'This chat is no longer here.',
    refunded: 'The chat did not start. Your credit was returned.',
    closed: 'This chat is closed. You can read it.',
    pending: 'Chat opens when the goal is reached.',
    paused: 'This channel was paused. You can read this chat.',
    full: (used, cap) => `This chat is full: ${number(used)} of ${number(cap)} tokens. It stays here to read.`,
    noCredits: 'No credits left on this channel. Anyone can add some.',
    creditsCame: balance => `${count(balance, 'credit is', 'credits are')} here. You can start a chat.`,
    lostRace: 'Someone else just used the last credit. You were not charged.',
    busy: 'Another answer is still running. Send this when it is done.',
    rateLimited: seconds => `Too many messages. You can send again in ${duration(seconds)}.`,
    quota: seconds => `You have started as many chats as a visitor can today. More in ${duration(seconds)}.`,
    tooLong: (tokens, left) =>
      `Your message is about ${count(tokens, 'token', 'tokens')} and ${number(left)} are left. Shorten it to send.`,
    tooManyCharacters: (length, limit) =>
      `Your message has ${number(length)} characters, ${number(limit)} can be sent. Shorten it to send.`,
    tooLarge: 'Your message is too long for this model. Shorten it to send.',
    unavailable: 'The server cannot answer right now. Your text is kept; send it again.', // it may have been stored
    overloaded: 'The chat cannot take messages at the moment. Nothing was charged.',
    forbidden: 'Only people who are signed in can chat here.',
    failed: 'The message could not be sent. Your text is kept.',
    notStopped: 'The answer could not be stopped. Try again.',
    slow: 'This is taking longer than usual.',
    warming: 'Warming up the demo model. A first answer may take a minute.',
    modelDown: 'The model does not respond at the moment.',
    near80: (left, replies) =>
      `This chat has room for about ${number(left)} more tokens, roughly ${count(replies, 'reply', 'replies')}.`,
    near95: left => `About ${number(left)} tokens left. Ask your last questions, or start a new chat for 1 credit.`,
    start: credits => `Starting a chat uses 1 of this channel's ${count(credits, 'credit', 'credits')}.`,
  },
};
