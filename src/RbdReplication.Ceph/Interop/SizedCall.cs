namespace RbdReplication.Ceph.Interop;

/// <summary>Calls that answer ERANGE while there is too little room for what they give back.</summary>
internal static class SizedCall
{
    /// <summary>A call that is given room and may write back how much it needs.</summary>
    /// <param name="room">Bytes or entries.</param>
    public delegate long Call(ref nuint room);

    /// <summary>Makes a call with more room each time, until it has enough or the maximum is too little as well.</summary>
    /// <param name="first">Room for the first time.</param>
    /// <param name="maximum">The most room that it is given.</param>
    /// <param name="call">The call.</param>
    /// <returns>What the last call returned: ERANGE, negated, where the maximum was too little.</returns>
    public static long Run(int first, int maximum, Call call)
    {
        for (var room = (nuint)first; ;)
        {
            var wanted = room;
            var result = call(ref wanted);
            if (result != -(int)Errno.ERANGE || room >= (nuint)maximum)
                return result;
            room = Math.Min(Math.Max(room * 2, wanted), (nuint)maximum);
        }
    }
}
