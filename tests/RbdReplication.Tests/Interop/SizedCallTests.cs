using RbdReplication.Ceph;
using RbdReplication.Ceph.Interop;

namespace RbdReplication.Tests.Interop;

public sealed class SizedCallTests
{
    private const long TooSmall = -(int)Errno.ERANGE;

    private readonly List<nuint> _rooms = [];

    private long Run(int maximum, nuint needed, bool tellsNeed)
    {
        return SizedCall.Run(16, maximum, (ref nuint room) =>
        {
            _rooms.Add(room);
            if (room >= needed)
                return 7;
            if (tellsNeed)
                room = needed;
            return TooSmall;
        });
    }

    [Fact]
    public void A_call_gets_twice_the_room_until_it_has_enough()
    {
        Assert.Equal(7, Run(maximum: 1024, needed: 100, tellsNeed: false));
        Assert.Equal([16, 32, 64, 128], _rooms);
    }

    [Fact]
    public void A_call_that_tells_what_it_needs_gets_it_at_once()
    {
        Assert.Equal(7, Run(maximum: 1024, needed: 100, tellsNeed: true));
        Assert.Equal([16, 100], _rooms);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Where_the_maximum_is_too_little_the_call_fails_with_ERANGE(bool tellsNeed)
    {
        Assert.Equal(TooSmall, Run(maximum: 40, needed: 1_000_000, tellsNeed));
        Assert.Equal(40u, _rooms[^1]);
        Assert.InRange(_rooms.Count, 2, 3);
    }

    [Fact]
    public void The_maximum_itself_is_tried()
    {
        Assert.Equal(7, Run(maximum: 40, needed: 40, tellsNeed: false));
        Assert.Equal([16, 32, 40], _rooms);
    }

    [Fact]
    public void Any_other_failure_ends_it()
    {
        Assert.Equal(-(int)Errno.ENOENT, SizedCall.Run(16, 1024, (ref nuint room) =>
        {
            _rooms.Add(room);
            return -(int)Errno.ENOENT;
        }));
        Assert.Single(_rooms);
    }
}
