namespace RbdReplication.Core;

/// <summary>
/// The moment at which the members of a group go from what was decided to what is done by it: all together, when each has decided and none is
/// refused. Where one is refused the others are held back. Where the first decisions have grown old before the last was made, all look again.
/// </summary>
/// <param name="members">How many there are.</param>
/// <param name="record">Writes down what is about to be done.</param>
/// <param name="time">Clock.</param>
public sealed class CommonConsent(int members, Func<Task> record, TimeProvider time)
{
    private readonly Lock _lock = new();
    private readonly List<Member> _waiting = [];
    private int _deciding = members;
    private bool _isRefused;
    private bool _isGiven;

    /// <summary>What those end with that are held back: no failure of theirs.</summary>
    public ReplicationException HeldBack { get; } = new(ReplicationError.Busy, "nothing was done to this volume, since another member of its group is refused");

    /// <summary>The part of one member.</summary>
    public Member OfMember() => new(this, time);

    private async Task SettleAsync(IReadOnlyList<Member> all)
    {
        try
        {
            if (_isRefused)
                throw HeldBack;
            await record().ConfigureAwait(false);
            foreach (var member in all)
                member.Answer(true);
        }
        catch (Exception e)
        {
            foreach (var member in all)
                member.Fail(e);
        }
    }

    /// <summary>The part of one member: it waits for the others, or says that it needs no consent, or that it is refused.</summary>
    public sealed class Member(CommonConsent all, TimeProvider time) : Consent(time)
    {
        private TaskCompletionSource<bool>? _answer;
        private DateTimeOffset _decidedAt;
        private bool _hasLeft;

        /// <inheritdoc/>
        public override Task<bool> IsGivenAsync(DateTimeOffset decidedAt, CancellationToken cancellationToken)
        {
            lock (all._lock)
            {
                if (all._isGiven || _hasLeft)
                    return Task.FromResult(IsFresh(decidedAt));
                _decidedAt = decidedAt;
                _answer = new(TaskCreationOptions.RunContinuationsAsynchronously);
                all._waiting.Add(this);
            }
            var answer = _answer.Task;
            Count();
            return answer.WaitAsync(cancellationToken);
        }

        /// <inheritdoc/>
        public override void IsNotNeeded() => Leave(isRefused: false);

        /// <summary>It cannot be done, so that the others are held back if they still wait.</summary>
        public void IsRefused() => Leave(isRefused: true);

        internal void Answer(bool isGiven) => _answer!.TrySetResult(isGiven);

        internal void Fail(Exception failure) => _answer!.TrySetException(failure);

        private void Leave(bool isRefused)
        {
            lock (all._lock)
            {
                if (_hasLeft || _answer is { Task.IsCompleted: true })
                    return;
                _hasLeft = true;
                all._isRefused |= isRefused;
                // One that waits, and is cut short in that, is counted already.
                if (_answer is not null)
                    return;
            }
            Count();
        }

        private void Count()
        {
            List<Member> settled;
            lock (all._lock)
            {
                if (--all._deciding > 0)
                    return;
                settled = [.. all._waiting];
                all._waiting.Clear();
                if (!all._isRefused && !settled.TrueForAll(member => IsFresh(member._decidedAt)))
                {
                    all._deciding = settled.Count;
                    foreach (var member in settled)
                    {
                        member.Answer(false);
                        member._answer = null;
                    }
                    return;
                }
                all._isGiven = !all._isRefused;
            }
            if (settled.Count > 0)
                _ = all.SettleAsync(settled);
        }
    }
}
