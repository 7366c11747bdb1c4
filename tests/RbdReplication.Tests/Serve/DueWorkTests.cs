using System.Collections.Concurrent;
using RbdReplication.Core;
using RbdReplication.Tests.Kubernetes;

namespace RbdReplication.Tests.Serve;

public sealed class DueWorkTests : IAsyncDisposable
{
    private static readonly VolumeRequest Volume = new(
        new VolumeHandle("cluster", 1, "0c23de1c-18fb-11eb-a903-0242ac110005"),
        CephCredentials.FromSecrets(new Dictionary<string, string> { [CephCredentials.UserField] = "csi", [CephCredentials.KeyField] = RunningServer.Key }));

    private readonly ManualTime _time = new();
    private readonly ConcurrentQueue<string> _problems = new();
    private readonly DueWork<string> _work;
    private Func<DueLook> _answer = () => default;
    private int _looks;

    public DueWorkTests() => _work = new DueWork<string>(
        (_, seen, _) =>
        {
            seen("seen");
            Interlocked.Increment(ref _looks);
            return Task.FromResult(_answer());
        },
        (_, problem) => _problems.Enqueue(problem), TimeSpan.FromHours(1), _time);

    public ValueTask DisposeAsync() => _work.DisposeAsync();

    private Task LookedAsync(int times) => Until.TrueAsync(() => Volatile.Read(ref _looks) == times && _time.TimersWithin(TimeSpan.FromDays(1)) == 1, $"it was looked at {times} times");

    [Fact]
    public async Task It_is_looked_at_when_something_is_due_and_at_least_so_often()
    {
        _answer = () => new(TimeSpan.FromMinutes(5));
        _work.Keep(Volume, isChanged: false);
        await LookedAsync(1);
        _time.Advance(TimeSpan.FromMinutes(4));
        Assert.Equal(1, _looks);
        _answer = () => new(TimeSpan.FromDays(1));
        _time.Advance(TimeSpan.FromMinutes(1));
        await LookedAsync(2);
        _time.Advance(TimeSpan.FromHours(1));
        await LookedAsync(3);
        Assert.Equal("seen", Assert.Single(_work.Seen).State);
    }

    [Fact]
    public async Task A_call_that_has_changed_something_has_it_looked_at_now_and_another_does_not()
    {
        _answer = () => new(TimeSpan.FromMinutes(5));
        _work.LookAgain(Volume);
        _work.Keep(Volume, isChanged: false);
        await LookedAsync(1);
        _work.Keep(Volume, isChanged: false);
        _work.LookAgain(Volume);
        await Until.TrueAsync(() => Volatile.Read(ref _looks) == 2, "it is looked at again");
        _work.Keep(Volume, isChanged: true);
        await Until.TrueAsync(() => Volatile.Read(ref _looks) == 3, "it is looked at again");
    }

    [Fact]
    public async Task One_of_which_nothing_is_to_be_done_is_kept_no_more()
    {
        _work.Keep(Volume, isChanged: false);
        await Until.TrueAsync(() => Volatile.Read(ref _looks) == 1 && _work.Seen.Count == 0, "it has gone");
        _work.LookAgain(Volume);
        Assert.Equal(1, _looks);
    }

    [Fact]
    public async Task What_fails_is_told_and_tried_again_later_and_later()
    {
        _answer = () => throw new ReplicationException(ReplicationError.Unavailable, "no answer");
        _work.Keep(Volume, isChanged: false);
        for (var (tries, pause) = (1, 10); tries <= 4; tries++, pause *= 2)
        {
            await LookedAsync(tries);
            Assert.Equal(tries, _problems.Count);
            _time.Advance(TimeSpan.FromSeconds(pause - 1));
            Assert.Equal(tries, _looks);
            _time.Advance(TimeSpan.FromSeconds(1));
        }
        Assert.All(_problems, problem => Assert.Equal("no answer", problem));
    }

    [Fact]
    public async Task One_that_was_deleted_is_kept_no_more_and_no_failure()
    {
        _answer = () => throw new ReplicationException(ReplicationError.NotFound, "it is gone");
        _work.Keep(Volume, isChanged: false);
        await Until.TrueAsync(() => Volatile.Read(ref _looks) == 1 && _work.Seen.Count == 0, "it has gone");
        Assert.Empty(_problems);
    }
}
